"""Where the tasks of a block run, under which context, and what its face refuses."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tasker import (
    Background,
    Cancelled,
    Context,
    TaskLike,
    background,
    concurrence,
    current_context,
    run,
    to_task,
)
from tasker._core import calling, threads
from tasker.testing import VirtualClock
from tests._support.leftovers import eventually, hooks, nothing_left_behind, tasks_of_loop
from tests._support.tasks import Boom, until_the_end, until_the_end_async

BACKGROUND = Context.background()


class Places:
    """Notes on which loop, in which thread and with which value of a context variable its tasks run."""

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def __init__(self) -> None:
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.threads: set[str] = set()
        self.values: set[str] = set()
        self.runs = 0
        self._lock = threading.Lock()

    def wait(self, runs: int) -> None:
        """Block until so many tasks have run."""
        eventually(lambda: self.runs >= runs, "tasks did not run")

    async def asynchronous(self) -> None:
        self.loops.add(asyncio.get_running_loop())
        self._note()

    def sync(self) -> None:
        self._note()

    def _note(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.values.add(self.variable.get())
        with self._lock:
            self.runs += 1


def use(made: Background, block: Callable[[Context], object]) -> None:
    """Run a block of plain code."""
    with made as ctx:
        block(ctx)


def use_async(made: Background, block: Callable[[Context], object]) -> None:
    """Run an async block, which calls `block` from a worker thread."""

    async def work() -> None:
        async with made as ctx:
            await to_task(lambda: block(ctx))(BACKGROUND)

    run(work)


def use_in_a_sync_task(made: Background, block: Callable[[Context], object]) -> None:
    """Run a block of plain code in a worker thread, beside a loop that runs already."""
    run(concurrence(lambda: use(made, block)))


USES = pytest.mark.parametrize("use_it", [use, use_async, use_in_a_sync_task])
UseIt = Callable[[Background, Callable[[Context], object]], None]


# --- while the block runs ---


@USES
def test_tasks_run_while_the_block_runs(use_it: UseIt, clock: VirtualClock) -> None:
    log: list[tuple[str, float]] = []

    def beats(ctx: Context) -> None:
        while not ctx.wait(10):
            log.append(("beat", clock.elapsed))
        log.append(("ended", clock.elapsed))

    use_it(background(beats), lambda ctx: BACKGROUND.sleep(35))

    assert log == [("beat", 10), ("beat", 20), ("beat", 30), ("ended", 35)]


@USES
def test_at_its_end_the_context_ends_and_the_tasks_are_waited_for(use_it: UseIt, clock: VirtualClock) -> None:
    ends: list[float] = []
    given: list[Context] = []

    async def leaves_slowly() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3)
            ends.append(clock.elapsed)

    def sync(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(2)
        ends.append(clock.elapsed)

    def block(ctx: Context) -> None:
        given.append(ctx)
        BACKGROUND.sleep(60)
        assert not ctx.done

    use_it(background(leaves_slowly, sync), block)

    assert (ends, clock.elapsed) == ([62, 63], 63)
    assert str(given[0].cause) == "the block was left"


@USES
@pytest.mark.parametrize("others", [[], [until_the_end_async], [until_the_end]], ids=["all", "async", "sync"])
def test_a_task_that_returns_ends_nothing(use_it: UseIt, others: list[TaskLike], clock: VirtualClock) -> None:
    seen: list[bool] = []

    def block(ctx: Context) -> None:
        BACKGROUND.sleep(60)
        seen.append(ctx.done)

    use_it(background(lambda: None, *others), block)

    assert seen == [False]


@USES
def test_all_tasks_stop_at_once(use_it: UseIt, clock: VirtualClock) -> None:
    # oklog/run#22: interrupts that are called in turn starve the others until the platform kills.
    def stops_slowly(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(20)

    use_it(background(*[stops_slowly] * 10), lambda ctx: BACKGROUND.sleep(1))

    assert clock.elapsed == 21


@USES
def test_without_tasks_it_is_just_a_context(use_it: UseIt) -> None:
    use_it(background(), lambda ctx: pytest.fail("it ended") if ctx.wait(0.02) else None)


@USES
def test_nothing_is_left_behind(use_it: UseIt) -> None:
    tasks: list[TaskLike] = [until_the_end, until_the_end_async, concurrence(until_the_end, until_the_end_async)]
    with nothing_left_behind(BACKGROUND):
        for _ in range(3):
            use_it(background(*tasks), lambda ctx: ctx.wait(0.002))


# --- where they run ---


def test_plain_code_gets_a_loop_in_a_thread_of_its_own() -> None:
    places = Places()

    with background(places.asynchronous, places.asynchronous):
        places.wait(2)

    assert len(places.loops) == 1
    assert places.threads == {"tasker-background"}
    assert all(loop.is_closed() for loop in places.loops)


def test_async_code_shares_its_loop() -> None:
    places = Places()

    async def work() -> None:
        async with background(places.asynchronous):
            await asyncio.to_thread(places.wait, 1)
        assert places.loops == {asyncio.get_running_loop()}

    asyncio.run(work())


def test_inside_a_sync_task_the_loop_that_runs_already_is_used() -> None:
    places = Places()

    def work(ctx: Context) -> None:
        with background(places.asynchronous):
            places.wait(2)

    run(concurrence(places.asynchronous, work))

    assert len(places.loops) == 1


def test_a_thread_of_the_users_beside_a_loop_gets_one_of_its_own() -> None:
    places = Places()

    def in_a_thread() -> None:
        with background(places.asynchronous):
            places.wait(1)

    async def work() -> None:
        await asyncio.to_thread(in_a_thread)
        assert places.loops.isdisjoint({asyncio.get_running_loop()})

    asyncio.run(work())
    assert places.threads == {"tasker-background"}


@USES
def test_context_variables_of_the_caller_are_visible(use_it: UseIt) -> None:
    places = Places()
    token = Places.variable.set("mine")
    try:
        use_it(background(places.sync, places.asynchronous), lambda ctx: places.wait(2))
    finally:
        Places.variable.reset(token)

    assert places.values == {"mine"}


def test_context_variables_that_a_sync_task_has_set_are_visible() -> None:
    places = Places()
    go_on = threading.Event()

    async def blocks_the_loop() -> None:
        go_on.wait(60)

    def work() -> None:
        home = calling.home_here()
        assert home is not None
        # What the loop takes out of its mailbox at once, it calls with the variables of whoever came first.
        contextvars.Context().run(home.post, lambda: None)
        Places.variable.set("of the task")
        with background(places.sync, places.asynchronous):
            go_on.set()
            places.wait(2)

    run(concurrence(blocks_the_loop, work))

    assert places.values == {"of the task"}


def test_a_loop_factory_makes_the_loop() -> None:
    places = Places()
    made: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.SelectorEventLoop())
        return made[-1]

    with background(places.asynchronous, loop_factory=factory):
        places.wait(1)

    assert places.loops == set(made)


def test_a_sync_tree_hands_its_loop_factory_on() -> None:
    places = Places()
    made: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.SelectorEventLoop())
        return made[-1]

    def work() -> None:
        with background(places.asynchronous):
            places.wait(1)

    run(work, loop_factory=factory)

    assert places.loops == set(made)


def test_a_loop_that_cannot_be_made_is_the_error_of_the_beginning() -> None:
    def broken() -> asyncio.AbstractEventLoop:
        raise Boom

    with BACKGROUND.with_cancel() as ctx, nothing_left_behind(ctx):
        to_task(lambda: enter_and_fail(broken)).run(ctx)


def test_a_thread_that_cannot_be_started_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, target: object) -> None:
        raise RuntimeError("can't start new thread")

    def work() -> None:
        with pytest.raises(RuntimeError, match="can't start"), background(until_the_end):
            raise AssertionError("the block began")

    with BACKGROUND.with_cancel() as ctx, nothing_left_behind(ctx):
        monkeypatch.setattr(threads, "start", refuse)
        to_task(work).run(ctx)


def test_a_loop_that_makes_no_tasks_leaves_nothing_behind() -> None:
    def refuse(loop: object, coroutine: Any, **options: Any) -> Any:
        coroutine.close()
        raise RuntimeError("no more tasks")

    async def work() -> None:
        before = hooks(current_context())
        asyncio.get_running_loop().set_task_factory(refuse)
        with pytest.raises(RuntimeError, match="no more tasks"):
            async with background(until_the_end_async):
                raise AssertionError("the block began")
        asyncio.get_running_loop().set_task_factory(None)
        assert hooks(current_context()) == before

    with BACKGROUND.with_cancel() as ctx, nothing_left_behind(ctx):
        run(work, ctx)


def test_the_thread_has_ended_when_the_block_has(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threads.start

    def slow_to_end(name: str, target: Callable[[], object]) -> threading.Thread:
        return start(name, lambda: (target(), BACKGROUND.wait(0.05)))

    monkeypatch.setattr(threads, "start", slow_to_end)

    with background(until_the_end):
        pass

    assert "tasker-background" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="it came with Python 3.12")
def test_tasks_that_begin_eagerly_work() -> None:
    def factory() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        return loop

    async def fails() -> None:
        raise Boom

    async def asynchronous() -> None:
        with pytest.raises(ExceptionGroup):
            async with background(fails, until_the_end_async):
                await asyncio.sleep(60)

    with pytest.raises(ExceptionGroup), background(fails, until_the_end_async, loop_factory=factory) as ctx:
        ctx.wait(60)
    run(asynchronous, loop_factory=factory)


def enter_and_fail(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with pytest.raises(Boom), background(until_the_end_async, loop_factory=factory):
        raise AssertionError("the block began")


# --- its context ---


@USES
def test_it_is_derived_from_the_current_context(use_it: UseIt) -> None:
    seen: list[object] = []

    def work() -> None:
        use_it(
            background(lambda ctx: seen.append(ctx.value("key"))),
            lambda ctx: eventually(lambda: bool(seen), "it did not run"),
        )

    run(work, BACKGROUND.with_value("key", "value"))

    assert seen == ["value"]


def test_inside_a_task_it_ends_with_that(clock: VirtualClock) -> None:
    log: list[float] = []

    def note(ctx: Context) -> None:
        ctx.wait()
        log.append(clock.elapsed)

    def sync() -> None:
        with background(note) as ctx:
            assert ctx.wait(3600)

    async def asynchronous() -> None:
        async with background(note):
            await asyncio.sleep(3600)

    with pytest.raises(Cancelled):
        run(concurrence(sync, asynchronous), BACKGROUND.with_timeout(60))

    assert log == [60, 60]


@USES
def test_the_block_is_not_inside_of_it(use_it: UseIt) -> None:
    seen: list[bool] = []

    use_it(background(), lambda ctx: seen.append(current_context() is ctx))

    assert seen == [False]


@USES
def test_it_cannot_be_ended_by_the_block(use_it: UseIt) -> None:
    use_it(background(), lambda ctx: None if not hasattr(ctx, "cancel") else pytest.fail("it can"))


@pytest.mark.parametrize("use_it", [use, use_async])
def test_under_an_ended_context_nothing_is_started(use_it: UseIt) -> None:
    log: list[str] = []

    def work(ctx: Context) -> None:
        outer.cancel()
        use_it(background(lambda: log.append("started")), lambda ctx: log.append("began"))

    outer = BACKGROUND.with_cancel()
    with pytest.raises(Cancelled):
        run(work, outer)

    assert (log, hooks(outer)) == ([], 0)


# --- where the block runs ---


def test_the_sync_form_on_the_thread_of_a_running_loop_says_what_to_use() -> None:
    async def cell_of_a_notebook() -> None:
        made = background(until_the_end_async)
        with pytest.raises(RuntimeError, match="use `async with background"), made:
            raise AssertionError("the block began")
        async with made:
            await asyncio.sleep(0)
        assert tasks_of_loop() == set()

    with nothing_left_behind():
        asyncio.run(cell_of_a_notebook())


def test_one_can_be_used_again_after_its_end() -> None:
    places = Places()
    made = background(places.sync)

    for runs in (1, 2, 3):
        with made:
            places.wait(runs)

    assert places.runs == 3


def test_one_cannot_be_used_twice_at_the_same_time() -> None:
    made = background(until_the_end)

    with made:
        with pytest.raises(RuntimeError, match="runs already; make another one"), made:
            raise AssertionError("the block began")
        with pytest.raises(RuntimeError, match="runs already; make another one"):
            use_async(made, lambda ctx: None)


def test_leaving_one_that_was_not_entered_does_nothing() -> None:
    made = background(until_the_end)

    made.__exit__(None, None, None)
    run(lambda: made.__aexit__(None, None, None))


def test_blocks_nest(clock: VirtualClock) -> None:
    log: list[str] = []

    def noting_its_end(name: str) -> Callable[[Context], None]:
        def note(ctx: Context) -> None:
            ctx.wait()
            log.append(name)

        return note

    with background(noting_its_end("outer")), background(noting_its_end("inner")) as ctx:
        ctx.wait(60)

    assert log == ["inner", "outer"]


def test_blocks_nest_in_tasks_of_all_kinds(clock: VirtualClock) -> None:
    count = 0
    lock = threading.Lock()

    def leaf(ctx: Context) -> None:
        nonlocal count
        with lock:
            count += 1
        ctx.wait()

    def sync(depth: int) -> TaskLike:
        def work() -> None:
            with background(leaf if depth == 0 else asynchronous(depth - 1)) as ctx:
                ctx.wait(10)

        return work

    def asynchronous(depth: int) -> TaskLike:
        async def work() -> None:
            async with background(leaf if depth == 0 else sync(depth - 1)) as ctx:
                await ctx.wait_async(10)

        return work

    run(concurrence(*[sync(4) for _ in range(10)], *[asynchronous(4) for _ in range(10)]))

    assert count == 20


def test_many_threads_use_blocks_at_the_same_time() -> None:
    runs: list[int] = []

    async def asynchronous() -> None:
        runs.append(1)
        await asyncio.sleep(3600)

    def use_some() -> None:
        for _ in range(5):
            with background(asynchronous) as ctx:
                while len(runs) < 1:
                    ctx.wait(0.001)

    with nothing_left_behind():
        threads = [threading.Thread(target=use_some) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@USES
def test_a_block_that_is_left_at_once_leaves_nothing_behind(use_it: UseIt) -> None:
    begun: list[int] = []
    over: list[int] = []

    async def asynchronous() -> None:
        begun.append(1)
        try:
            await asyncio.sleep(3600)
        finally:
            over.append(1)

    with nothing_left_behind():
        for _ in range(30):
            use_it(background(asynchronous, until_the_end), lambda ctx: None)

    assert len(begun) == len(over)


# --- arguments ---


@pytest.mark.parametrize(
    ("grace", "error"), [(-1, ValueError), (float("inf"), ValueError), (True, TypeError), ("25 s", TypeError)]
)
def test_a_bad_grace_is_refused_when_it_is_built(grace: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^grace: expected a"):
        background(until_the_end, grace=grace)


def test_what_cannot_be_a_task_is_refused_when_it_is_built() -> None:
    with pytest.raises(TypeError, match="expected a task"):
        background(5)  # type: ignore[arg-type]


def test_it_names_its_tasks() -> None:
    assert repr(background(until_the_end, to_task(until_the_end, "poll"))) == "<background 'until_the_end', 'poll'>"
