from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import tasker
from tasker import Cancelled, Context, Task, concurrence, current_context, run, sequence, to_task
from tasker._core import threads
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended, fails, fails_async, noting

BACKGROUND = Context.background()


def sync_task(ctx: Context) -> str:
    return "what a task returns is dropped"


async def async_task(ctx: Context) -> str:
    return "what a task returns is dropped"


# --- running ---


@pytest.mark.parametrize("task", [sync_task, async_task])
def test_what_a_task_returns_is_dropped(task: Callable[[Context], Any]) -> None:
    assert run(task) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("task", [sync_task, async_task])
def test_awaiting_a_task_gives_nothing(task: Callable[[Context], Any]) -> None:
    async def work() -> object:
        return await to_task(task)()  # type: ignore[func-returns-value]

    assert asyncio.run(work()) is None


@pytest.mark.parametrize("task", [fails, fails_async])
def test_run_raises_what_the_task_fails_with(task: Callable[[Context], Any]) -> None:
    with pytest.raises(Boom):
        run(task)


@pytest.mark.parametrize("task", [fails, fails_async])
def test_await_raises_what_the_task_fails_with(task: Callable[[Context], Any]) -> None:
    with pytest.raises(Boom):
        asyncio.run(to_task(task)())


def test_a_sync_task_runs_in_the_thread_that_runs_it() -> None:
    seen: list[threading.Thread] = []

    run(lambda: seen.append(threading.current_thread()))

    assert seen == [threading.main_thread()]


def test_a_sync_task_awaited_on_a_loop_runs_in_a_worker_thread() -> None:
    seen: list[str] = []

    asyncio.run(to_task(lambda: seen.append(threading.current_thread().name))())

    assert seen == ["tasker-worker"]


def test_an_async_task_runs_on_the_loop_of_the_caller() -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    async def task() -> None:
        seen.append(asyncio.get_running_loop())

    async def work() -> asyncio.AbstractEventLoop:
        await to_task(task)()
        return asyncio.get_running_loop()

    assert seen == [] and asyncio.run(work()) is seen[0]  # noqa: PT018 - in this order


def test_a_plain_function_that_returns_an_awaitable_has_it_awaited() -> None:
    log: list[str] = []

    async def work(text: str) -> None:
        await asyncio.sleep(0)
        log.append(text)

    run(lambda: work("awaited"))
    asyncio.run(to_task(lambda: work("awaited"))())

    assert log == ["awaited", "awaited"]


@pytest.mark.parametrize("build", [sequence, concurrence, tasker.main, tasker.background])
@pytest.mark.parametrize(
    "given", [[sync_task], (sync_task,), {sync_task}, (each for each in [sync_task]), map(print, ())]
)
def test_a_collection_of_tasks_is_told_about_the_star(build: Callable[[Any], object], given: object) -> None:
    with pytest.raises(TypeError, match=r"^expected tasks one by one, got .*; unpack it, as in sequence\(\*tasks\)$"):
        build(given)


@pytest.mark.parametrize("wrapped", [to_task, sequence, concurrence])
def test_a_returned_awaitable_is_cancelled_natively_when_the_context_ends(
    wrapped: Callable[[Any], Task], clock: VirtualClock
) -> None:
    log: list[str] = []

    async def work(seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    with BACKGROUND.with_timeout(5) as ctx, pytest.raises(Cancelled):
        run(wrapped(lambda: work(3600)), ctx)

    assert (log, clock.elapsed) == (["cancelled"], 5)


def test_what_a_returned_awaitable_fails_with_is_raised() -> None:
    with pytest.raises(Boom):
        run(lambda: fails_async(BACKGROUND))


def test_an_awaitable_that_is_returned_after_the_end_is_not_awaited_and_not_warned_about() -> None:
    ctx = BACKGROUND.with_cancel()

    def work() -> object:
        ctx.cancel()
        return async_task(ctx)

    with warnings.catch_warnings(), pytest.raises(Cancelled):
        warnings.simplefilter("error")
        run(work, ctx)


@pytest.mark.parametrize("task", [sync_task, async_task])
def test_the_current_context_in_a_task_is_its_own(task: object) -> None:
    seen: list[bool] = []
    ctx = BACKGROUND.with_value("key", "value")

    def sync_check(ctx: Context) -> None:
        seen.append(current_context() is ctx and ctx.value("key") == "value")

    async def async_check(ctx: Context) -> None:
        seen.append(current_context() is ctx and ctx.value("key") == "value")

    run(concurrence(sync_check, async_check), ctx)

    assert seen == [True, True]


def test_after_a_task_the_current_context_is_what_it_was_before() -> None:
    run(sync_task, BACKGROUND.with_value("a", 1))

    assert current_context() is BACKGROUND


# --- ended contexts ---


@pytest.mark.parametrize("task", [sync_task, async_task, sequence(sync_task), concurrence(sync_task, async_task)])
def test_nothing_is_started_by_run_under_an_ended_context(task: Any) -> None:
    cause = Boom()

    with pytest.raises(Cancelled) as caught:
        run(task, ended(cause))

    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("task", [sync_task, async_task, sequence(sync_task), concurrence(sync_task, async_task)])
def test_nothing_is_started_by_await_under_an_ended_context(task: Any) -> None:
    with pytest.raises(Cancelled):
        asyncio.run(to_task(task)(ended()))


def test_a_task_that_still_waits_for_its_thread_is_not_started_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    jobs: list[Callable[[], object]] = []
    monkeypatch.setattr(threads, "submit", jobs.append)
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        running = asyncio.ensure_future(to_task(noting(log, "started"))(ctx))
        await asyncio.sleep(0)
        ctx.cancel()
        await asyncio.to_thread(jobs[0])
        with pytest.raises(Cancelled):
            await running

    asyncio.run(work())

    assert log == []


# --- contexts as arguments ---


@pytest.mark.parametrize("given", [5, "ctx", object()])
def test_what_is_no_context_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="ctx: expected a Context or None, got"):
        run(sync_task, given)


def test_await_refuses_what_is_no_context() -> None:
    with pytest.raises(TypeError, match="ctx: expected a Context or None, got 5"):
        asyncio.run(to_task(sync_task)(5))  # type: ignore[arg-type]


def test_run_without_a_context_ends_with_the_task_around_it() -> None:
    seen: list[object] = []
    ctx = BACKGROUND.with_value("key", "value")

    run(lambda: run(lambda ctx: seen.append(ctx.value("key"))), ctx)

    assert seen == ["value"]


# --- names and trees ---


def test_str_draws_the_tree() -> None:
    task = sequence(sync_task, concurrence(sync_task, async_task), to_task(sync_task, "last"))

    assert str(task).splitlines() == [
        "sequence",
        "├── sync_task",
        "├── concurrence",
        "│   ├── sync_task",
        "│   └── async_task",
        "└── last",
    ]


def test_str_cuts_long_lists() -> None:
    lines = str(concurrence(*[sync_task] * 1_500)).splitlines()

    assert (len(lines), lines[-1]) == (12, "└── … and 1,490 more")


def test_the_repr_names_the_task() -> None:
    assert repr(to_task(sync_task, "heartbeat")) == "<Task 'heartbeat'>"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (tasker.with_timeout(5, sync_task), "with_timeout 5 s"),
        (tasker.with_repeat(tasker.schedule.Interval(seconds=5), sync_task), "with_repeat every 5 seconds"),
        (tasker.with_signal_notify(sync_task), "with_signal_notify SIGINT SIGTERM"),
        (tasker.on_error(sync_task, print), "on_error print"),
        (tasker.ignore_error(sync_task, ValueError, OSError), "ignore_error ValueError OSError"),
        (tasker.with_shutdown(sync_task, async_task), "with_shutdown"),
    ],
)
def test_combinators_say_what_they_do_in_their_names(task: Task, name: str) -> None:
    assert task.name == name


def test_an_asyncio_task_has_the_name_of_its_task() -> None:
    seen: list[str] = []

    async def work() -> None:
        current = asyncio.current_task()
        seen.append(current.get_name() if current else "")

    run(to_task(work, "heartbeat"))

    assert seen == ["heartbeat"]


# --- what runs in one thread ---


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (to_task(sync_task), True),
        (to_task(async_task), False),
        (sequence(sync_task, sequence(sync_task)), True),
        (sequence(sync_task, async_task), False),
        (sequence(), True),
        (concurrence(sync_task), False),
        (tasker.on_error(sync_task, print), True),
        (tasker.on_error(sync_task, async_task), False),
        (tasker.ignore_error(sync_task), True),
        (tasker.with_timeout(5, sync_task), True),
        (tasker.with_timeout(5, async_task), False),
        (tasker.with_repeat(tasker.schedule.Interval(seconds=1), sync_task), False),
        (tasker.with_shutdown(sync_task, sync_task), False),
    ],
)
def test_a_tree_of_sync_tasks_in_turn_runs_in_one_thread(task: Task, answer: bool) -> None:
    assert task.runs_in_one_thread is answer


def test_a_tree_of_sync_tasks_takes_one_hop_into_one_thread() -> None:
    seen: list[threading.Thread] = []

    def note() -> None:
        seen.append(threading.current_thread())

    def fail() -> None:
        note()
        raise Boom

    tree = sequence(note, sequence(note, tasker.ignore_error(fail)), tasker.on_error(fail, lambda error: note()), note)
    asyncio.run(tree())

    assert len(seen) == 6
    assert len(set(seen)) == 1


# --- what leaves ---


def test_a_task_that_leaves_with_cancelled_of_its_own_accord_fails() -> None:
    def work() -> None:
        raise Cancelled

    with pytest.raises(RuntimeError, match="'work' left with Cancelled although its context has not ended"):
        run(to_task(work, "work"))


def test_an_async_task_that_raises_cancelled_error_by_itself_fails() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="'work' left with CancelledError although its context has not ended"):
        run(to_task(work, "work"))


@pytest.mark.parametrize("is_async", [False, True])
def test_stop_iteration_in_a_task_is_a_runtime_error(is_async: bool) -> None:
    def sync_work() -> None:
        next(iter(()))

    async def async_work() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        run(async_work if is_async else sync_work)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_exit_is_raised_bare(error: BaseException, is_async: bool) -> None:
    def sync_work() -> None:
        raise error

    async def async_work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run(async_work if is_async else sync_work)

    assert caught.value is error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_in_a_task_on_the_callers_loop_does_not_take_the_loop_down(error: BaseException) -> None:
    async def exits() -> None:
        raise error

    async def work() -> str:
        try:
            await to_task(exits)()
        except BaseException:
            await asyncio.sleep(0)
        return "the loop goes on"

    assert asyncio.run(work()) == "the loop goes on"


def test_an_error_after_the_end_is_raised() -> None:
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        ctx.cancel()
        try:
            await asyncio.sleep(60)
        finally:
            raise Boom

    with pytest.raises(Boom):
        run(work, ctx)


def test_raising_the_own_cause_is_a_clean_leave() -> None:
    ctx = BACKGROUND.with_cancel()
    cause = Boom()

    def work(ctx: Context) -> None:
        assert ctx.cause is not None
        raise ctx.cause

    def both(own: Context) -> None:
        ctx.cancel(cause)
        work(own)

    with pytest.raises(Cancelled) as caught:
        run(both, ctx)

    assert caught.value.__cause__ is cause


def test_three_hundred_raises_of_a_shared_cause_leave_no_traceback_behind() -> None:
    ctx = BACKGROUND.with_cancel()
    cause = Boom()

    async def work(ctx: Context) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            assert ctx.cause is not None
            raise ctx.cause from None

    async def end() -> None:
        ctx.cancel(cause)

    with pytest.raises(Cancelled):
        run(concurrence(*[work] * 300, end), ctx)

    assert cause.__traceback__ is None
