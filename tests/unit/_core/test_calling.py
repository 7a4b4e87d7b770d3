"""The bridge between sync and async: nesting, cancellation from outside, context variables, loops."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import tasker
from tasker import Cancelled, Context, TaskLike, concurrence, run, sequence, to_task, with_timeout
from tasker._core import calling
from tasker._core.mailbox import Mailbox, mailbox_of
from tasker.testing import VirtualClock
from tests._support.leftovers import nothing_left_behind, tasks_of_loop
from tests._support.tasks import Boom, ended, fails, in_turn, sleeping_async, until_the_end, until_the_end_async

BACKGROUND = Context.background()


def nested(depth: int, log: list[str], *, is_async: bool) -> Callable[[Context], Any]:
    """Return a task in a task in a task, sync and async in turn."""
    if depth == 0:
        return lambda ctx: log.append("deepest")
    inner = nested(depth - 1, log, is_async=not is_async)

    def sync_level(ctx: Context) -> None:
        to_task(inner).run(ctx)

    async def async_level(ctx: Context) -> None:
        await to_task(inner)(ctx)

    return async_level if is_async else sync_level


# --- nesting ---


@pytest.mark.parametrize("is_async", [False, True])
def test_sync_and_async_nest_in_turn_five_deep(is_async: bool) -> None:
    log: list[str] = []

    run(nested(5, log, is_async=is_async))

    assert log == ["deepest"]


@pytest.mark.slow
def test_three_hundred_at_once_nest_five_deep() -> None:
    log: list[str] = []
    tasks = [nested(5, log, is_async=bool(number % 2)) for number in range(300)]

    run(concurrence(*tasks))

    assert len(log) == 300


def test_an_async_task_in_a_sync_task_runs_on_the_loop_that_runs_already() -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    async def note() -> None:
        seen.append(asyncio.get_running_loop())

    run(concurrence(note, lambda: run(note), lambda: run(lambda: run(note))))

    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_sync_task_in_a_sync_task_runs_in_the_same_thread() -> None:
    seen: list[threading.Thread] = []

    def note() -> None:
        seen.append(threading.current_thread())

    def outer() -> None:
        note()
        sequence(note).run()

    asyncio.run(to_task(outer)())

    assert len(set(seen)) == 1


def test_a_thread_of_the_users_gets_a_loop_of_its_own() -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    async def note() -> None:
        seen.append(asyncio.get_running_loop())

    def outer() -> None:
        thread = threading.Thread(target=lambda: run(note))
        thread.start()
        thread.join()

    run(concurrence(note, outer))

    assert len(set(seen)) == 2


def test_a_nested_run_ends_with_the_task_around_it(clock: VirtualClock) -> None:
    def outer() -> None:
        run(sleeping_async(3600))  # without a context: the one around it

    with pytest.raises(tasker.DeadlineExceeded):
        run(with_timeout(5, outer))

    assert clock.elapsed == 5


def test_a_nested_run_under_a_context_of_its_own_fails_by_its_own_error(clock: VirtualClock) -> None:
    def outer(ctx: Context) -> None:
        with pytest.raises(tasker.DeadlineExceeded):
            run(with_timeout(5, sleeping_async(3600)), ctx)

    run(concurrence(outer))

    assert clock.elapsed == 5


def test_a_nested_failure_reaches_the_sync_task_around_it() -> None:
    async def fails_later() -> None:
        await asyncio.sleep(0)
        raise Boom

    def outer() -> None:
        with pytest.raises(Boom):
            run(fails_later)

    run(concurrence(outer))


def test_a_nested_exit_reaches_the_sync_task_around_it() -> None:
    async def exits() -> None:
        sys.exit(3)

    def outer() -> None:
        run(exits)

    with pytest.raises(SystemExit) as caught:
        run(concurrence(outer))

    assert caught.value.code == 3


def test_a_nested_run_whose_loop_has_ended_raises_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasker._core import waiting

    monkeypatch.setattr(waiting, "_LOOK_EVERY", 0.001)
    loop = asyncio.new_event_loop()
    loop.close()
    monkeypatch.setattr(calling._here, "home", Mailbox(loop))

    with pytest.raises(Cancelled) as caught:
        run(until_the_end_async)

    assert str(caught.value.__cause__) == "the event loop ended"


# --- blocking where a loop runs ---


@pytest.mark.parametrize("block", [lambda: run(fails), lambda: to_task(fails).run(), lambda: tasker.main(fails)])
def test_running_where_a_loop_runs_is_refused_and_says_what_to_await(block: Callable[[], object]) -> None:
    async def work() -> None:
        block()

    with pytest.raises(RuntimeError, match="would block the event loop that runs in this thread; use await"):
        asyncio.run(work())


# --- context variables ---

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


def noting_user(log: list[str]) -> list[TaskLike]:
    def sync_task() -> None:
        log.append(user.get())

    async def async_task() -> None:
        log.append(user.get())

    def nested_task() -> None:
        run(async_task)

    return [sync_task, async_task, nested_task, concurrence(sync_task, async_task)]


@pytest.mark.parametrize("combine", [sequence, concurrence])
def test_context_variables_of_the_caller_are_seen_in_every_task(combine: Callable[..., tasker.Task]) -> None:
    log: list[str] = []
    token = user.set("ann")
    try:
        run(combine(*noting_user(log)))
    finally:
        user.reset(token)

    assert log == ["ann"] * 5


def test_context_variables_are_seen_by_tasks_awaited_on_a_loop() -> None:
    log: list[str] = []

    async def work() -> None:
        user.set("ann")
        await concurrence(*noting_user(log))()

    asyncio.run(work())

    assert log == ["ann"] * 5


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_task_sets_is_not_seen_outside(is_async: bool) -> None:
    def sync_task() -> None:
        user.set("bob")

    async def async_task() -> None:
        user.set("bob")

    async def work() -> str:
        await to_task(async_task if is_async else sync_task)()
        return user.get()

    assert asyncio.run(work()) == "nobody"


# --- loops ---


def test_the_loop_factory_makes_the_loop() -> None:
    class Loop(asyncio.SelectorEventLoop):
        pass

    seen: list[type] = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()))

    run(work, loop_factory=Loop)

    assert seen == [Loop]


def test_the_loop_factory_makes_the_loop_for_what_is_async_in_a_sync_tree() -> None:
    class Loop(asyncio.SelectorEventLoop):
        pass

    seen: list[type] = []

    async def work(ctx: Context) -> None:
        seen.append(type(asyncio.get_running_loop()))

    run(sequence(lambda: work(BACKGROUND), lambda: run(work)), loop_factory=Loop)
    run(work)

    assert seen[:2] == [Loop, Loop]
    assert seen[2] is not Loop


if sys.version_info >= (3, 12):

    def eager_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    def test_eager_task_factories_work() -> None:
        log: list[str] = []

        async def at_once() -> None:
            log.append("at once")

        async def later() -> None:
            await asyncio.sleep(0)
            log.append("later")

        run(concurrence(at_once, later, lambda: log.append("sync"), sequence(at_once, later)), loop_factory=eager_loop)

        assert sorted(log) == ["at once", "at once", "later", "later", "sync"]

    @pytest.mark.parametrize("combine", [to_task, sequence, concurrence])
    def test_an_end_within_the_eager_first_step_cancels(combine: Callable[[TaskLike], tasker.Task]) -> None:
        """The context ends after a task has begun, and before anybody could attach to it."""
        ctx = BACKGROUND.with_cancel()

        async def ends_its_context() -> None:
            ctx.cancel()
            await asyncio.sleep(3600)

        with pytest.raises(Cancelled):
            run(combine(ends_its_context), ctx, loop_factory=eager_loop)


# --- the end of the context ---


def test_an_async_task_is_cancelled_natively_once() -> None:
    cancellations: list[str] = []
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancellations.append("cancelled")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            cancellations.append("cleaned up")

    async def end() -> None:
        ctx.cancel()

    with pytest.raises(Cancelled):
        run(concurrence(work, end), ctx)

    assert cancellations == ["cancelled", "cleaned up"]


def test_a_native_cancellation_never_happens_inside_the_call_that_ends_the_context() -> None:
    log: list[str] = []
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("cancelled")

    async def end() -> None:
        await asyncio.sleep(0)
        log.append("before")
        ctx.cancel()
        log.append("after")

    with pytest.raises(Cancelled):
        run(concurrence(work, end), ctx)

    assert log == ["before", "after", "cancelled"]


def test_an_async_task_is_cancelled_where_it_waits_for_its_own_context(clock: VirtualClock) -> None:
    log: list[str] = []

    async def work(ctx: Context) -> None:
        log.append(f"timed out: {await ctx.wait_async(2)}")
        await ctx.wait_async()
        log.append("returned")

    with pytest.raises(tasker.DeadlineExceeded):
        run(with_timeout(5, work))

    assert log == ["timed out: False"]


def test_an_async_task_that_catches_its_cancellation_has_ended_well() -> None:
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return

    async def end() -> None:
        ctx.cancel()

    run(concurrence(work, end), ctx)


def test_a_task_group_of_the_users_that_holds_only_cancellations_left_cleanly() -> None:
    ctx = BACKGROUND.with_cancel()

    async def work(ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(to_task(until_the_end)(ctx))
            group.create_task(to_task(until_the_end_async)(ctx))

    async def end() -> None:
        ctx.cancel()

    with pytest.raises(Cancelled):
        run(concurrence(work, end), ctx)


def test_a_sync_task_sees_the_end_and_wakes_up(clock: VirtualClock) -> None:
    log: list[str] = []

    def work(ctx: Context) -> None:
        log.append(f"ended: {ctx.wait(3600)}")

    with pytest.raises(tasker.DeadlineExceeded):
        asyncio_run_virtual(with_timeout(5, sequence(work, fails)))

    assert (log, clock.elapsed) == (["ended: True"], 5)


def asyncio_run_virtual(task: tasker.Task) -> None:
    run(concurrence_of_one(task))


def concurrence_of_one(task: tasker.Task) -> tasker.Task:
    """Return the task so that it runs on a loop and its error is not in a group."""

    async def work(ctx: Context) -> None:
        await task(ctx)

    return to_task(work)


# --- cancellation from outside ---


async def cancel_after(ticks: int, task: TaskLike) -> BaseException | None:
    """Cancel the asyncio task that awaits a task after some turns of the loop; return what it raises."""
    running = asyncio.ensure_future(to_task(task)())
    for _ in range(ticks):
        await asyncio.sleep(0)
    running.cancel("from outside")
    try:
        await running
    except BaseException as error:
        assert running.cancelling() == 1
        return error
    return None


KINDS: dict[str, TaskLike] = {
    "sync": until_the_end,
    "async": until_the_end_async,
    "sequence": sequence(until_the_end, until_the_end_async),
    "concurrence": concurrence(until_the_end, until_the_end_async),
    "nested": nested(3, [], is_async=True),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "nested"])
def test_a_cancellation_from_outside_is_raised_again(kind: str) -> None:
    error = asyncio.run(cancel_after(3, KINDS[kind]))

    assert (type(error), error and error.args) == (asyncio.CancelledError, ("from outside",))


def test_a_cancellation_from_outside_ends_the_contexts_under_it() -> None:
    causes: list[str] = []

    async def program() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(ctx: Context) -> None:
            loop.call_soon_threadsafe(begun.set)
            ctx.wait()
            causes.append(str(ctx.cause))

        running = asyncio.ensure_future(concurrence(work)())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(program())

    assert causes == ["the awaiting asyncio task was cancelled"]


def test_a_cancellation_from_outside_waits_for_everything() -> None:
    log: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            log.append("cleaned up")

    asyncio.run(cancel_after(3, concurrence(slow, sequence(slow))))

    assert log == ["cleaned up", "cleaned up"]


def test_a_failure_under_a_cancellation_from_outside_is_raised_instead() -> None:
    async def fails_at_the_end() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise Boom

    assert type(asyncio.run(cancel_after(3, fails_at_the_end))) is Boom


def test_cancelling_often_from_outside_ends_it_once() -> None:
    log: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            log.append("cancelled")
            for _ in range(5):
                await asyncio.sleep(0)
            log.append("cleaned up")

    async def work() -> int:
        running = asyncio.ensure_future(concurrence(slow)())
        for _ in range(3):
            await asyncio.sleep(0)
        for number in range(4):
            running.cancel(f"cancellation {number}")
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError, match="cancellation 0"):
            await running
        return running.cancelling()

    assert asyncio.run(work()) == 4
    assert log == ["cancelled", "cleaned up"]


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async, concurrence(until_the_end, until_the_end_async)])
def test_asyncio_timeout_around_a_task_works(task: TaskLike, clock: VirtualClock) -> None:
    counts: list[int] = []

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await to_task(task)()
        current = asyncio.current_task()
        counts.append(current.cancelling() if current else -1)
        await asyncio.sleep(1)  # a stray cancellation would come here

    run(work)

    assert (counts, clock.elapsed) == ([0], 6)


async def cancelling_after_a_task_group(*coroutines: Callable[[], Any]) -> int:
    """Return the count of the current task after a group in which a task failed."""
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for each in coroutines:
                group.create_task(each())
    await asyncio.sleep(0)
    current = asyncio.current_task()
    return current.cancelling() if current else -1


def test_a_task_group_around_tasks_counts_as_around_plain_coroutines() -> None:
    async def forever() -> None:
        await asyncio.sleep(3600)

    async def boom() -> None:
        raise Boom

    with_tasks = cancelling_after_a_task_group(concurrence(until_the_end, until_the_end_async), to_task(boom))

    # Python 3.11 and 3.12 leave a count of one behind themselves.
    assert asyncio.run(with_tasks) == asyncio.run(cancelling_after_a_task_group(forever, boom))


def test_a_native_cancellation_of_a_leaf_by_others_goes_through() -> None:
    async def work() -> None:
        running = asyncio.ensure_future(concurrence(until_the_end_async, until_the_end)())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaf = next(task for task in tasks_of_loop() if task.get_name() == "until_the_end_async")
        leaf.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())


TREE: list[TaskLike] = [until_the_end_async, until_the_end, sequence(until_the_end_async)]


@pytest.mark.parametrize("ticks", range(5))
def test_all_asyncio_tasks_cancelled_at_once_end_without_leftovers(ticks: int) -> None:
    async def work() -> None:
        running = asyncio.ensure_future(concurrence(*TREE)())
        for _ in range(ticks):
            await asyncio.sleep(0)
        for each in tasks_of_loop():
            each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert tasks_of_loop() == set()

    with nothing_left_behind():
        asyncio.run(work())


def test_a_task_cancelled_before_its_first_step_under_an_ended_context_raises_cancelled() -> None:
    async def work() -> BaseException | None:
        loop = asyncio.get_running_loop()
        running = to_task(until_the_end_async).launch(loop, BACKGROUND)
        running.cancel()
        await asyncio.wait([running])
        return calling.outcome_of(running, ended())

    assert type(asyncio.run(work())) is Cancelled


def test_a_tree_that_should_run_in_one_thread_may_not_suspend() -> None:
    async def suspends() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="has suspended"):
        calling.drive(suspends())


# --- from any thread ---


def test_a_function_called_in_a_worker_gives_its_result() -> None:
    async def work() -> str:
        return await calling.in_worker(lambda: threading.current_thread().name)

    assert asyncio.run(work()) == "tasker-worker"


def test_a_function_called_in_a_worker_raises_where_it_is_awaited() -> None:
    async def work() -> None:
        await calling.in_worker(lambda: fails(BACKGROUND))

    with pytest.raises(Boom):
        asyncio.run(work())


def test_a_function_in_a_worker_is_waited_for_when_the_caller_is_cancelled() -> None:
    release = threading.Event()
    log: list[str] = []

    async def work() -> None:
        running = asyncio.ensure_future(calling.in_worker(in_turn(lambda: release.wait(5), lambda: log.append("done"))))
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(work())

    assert log == ["done"]


def started_from_a_thread(task: TaskLike, ctx: Context) -> list[object]:
    """Start a task from a thread of its own, and return what left it."""
    outcomes: list[object] = []

    async def work() -> None:
        ended_here = asyncio.Event()
        home = mailbox_of(asyncio.get_running_loop())

        def finished(outcome: object) -> None:
            outcomes.append(outcome)
            home.post(ended_here.set)

        variables = contextvars.copy_context()
        thread = threading.Thread(
            target=lambda: calling.start_from_anywhere(to_task(task), ctx, home, variables, finished)
        )
        thread.start()
        async with asyncio.timeout(5):
            await ended_here.wait()
        thread.join()

    asyncio.run(work())
    return outcomes


async def nothing() -> None:
    pass


async def fails_later() -> None:
    await asyncio.sleep(0)
    raise Boom


@pytest.mark.parametrize("task", [lambda: None, nothing, concurrence(lambda: None), concurrence(nothing)])
def test_a_task_can_be_started_from_any_thread(task: TaskLike) -> None:
    assert started_from_a_thread(task, BACKGROUND) == [None]


@pytest.mark.parametrize("task", [fails, fails_later])
def test_what_leaves_it_is_heard_there(task: TaskLike) -> None:
    assert [type(outcome) for outcome in started_from_a_thread(task, BACKGROUND)] == [Boom]


def test_an_async_one_is_cancelled_when_its_context_ends() -> None:
    with BACKGROUND.with_cancel() as ctx:

        async def waits() -> None:
            ctx.cancel()
            await asyncio.sleep(60)

        assert [type(outcome) for outcome in started_from_a_thread(waits, ctx)] == [Cancelled]


def test_one_whose_context_has_ended_is_not_started() -> None:
    with BACKGROUND.with_timeout(0) as ctx:
        assert [type(outcome) for outcome in started_from_a_thread(fails_later, ctx)] == [Cancelled]


def test_a_child_that_was_forked_in_a_task_does_not_wait_for_the_loop_of_its_parent() -> None:
    homes: list[object] = []

    def work() -> None:
        calling._start_afresh_in_child()
        homes.append(calling._here.home)

    run(concurrence(work))

    assert homes == [None]
