from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from tasker import Cancelled, Context, TaskLike, concurrence, run, sequence
from tasker._core import threads
from tasker.combinators._group import together
from tasker.testing import VirtualClock
from tests._support.leftovers import hooks
from tests._support.tasks import (
    Boom,
    ended,
    fails,
    fails_async,
    noting,
    sleeping,
    sleeping_async,
    until_the_end,
    until_the_end_async,
)


def test_tasks_run_at_the_same_time(clock: VirtualClock) -> None:
    run(concurrence(sleeping(3), sleeping_async(5), sleeping(4)))

    assert clock.elapsed == 5


@pytest.mark.parametrize("number", [7, 500])
def test_sync_tasks_that_meet_at_a_barrier_end(number: int) -> None:
    barrier = threading.Barrier(number)

    run(concurrence(*[lambda: barrier.wait(30)] * number))


@pytest.mark.parametrize("failing", [fails, fails_async])
def test_a_failure_comes_in_a_group_even_of_one(failing: TaskLike) -> None:
    with pytest.raises(ExceptionGroup, match="a task failed") as caught:
        run(concurrence(failing, lambda: None))

    assert [type(error) for error in caught.value.exceptions] == [Boom]


def test_the_first_failure_cancels_the_others(clock: VirtualClock) -> None:
    def fails_later(ctx: Context) -> None:
        ctx.sleep(5)
        raise Boom

    with pytest.raises(ExceptionGroup):
        run(concurrence(fails_later, sleeping(3600), sleeping_async(3600)))

    assert clock.elapsed == 5


def test_all_are_waited_for(clock: VirtualClock) -> None:
    log: list[str] = []

    def slow_to_leave(ctx: Context) -> None:
        ctx.wait()
        Context.background().sleep(7)
        log.append("left")

    with pytest.raises(ExceptionGroup):
        run(concurrence(fails, slow_to_leave))

    assert (log, clock.elapsed) in ((["left"], 7), ([], 0))  # or it had not begun


def test_all_failures_come_back(clock: VirtualClock) -> None:
    async def fails_while_leaving() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError

    async def fails_first() -> None:
        await asyncio.sleep(1)
        raise Boom

    with pytest.raises(ExceptionGroup, match="2 tasks failed") as caught:
        run(concurrence(fails_first, fails_while_leaving, until_the_end))

    assert [type(error) for error in caught.value.exceptions] == [Boom, ValueError]


def test_the_cause_for_the_others_names_the_one_that_failed() -> None:
    causes: list[BaseException | None] = []

    async def asks(ctx: Context) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            causes.append(ctx.cause)

    async def fails_later() -> None:
        await asyncio.sleep(0)
        raise Boom("why")

    with pytest.raises(ExceptionGroup):
        run(concurrence(asks, fails_later))

    cause = causes[0]
    assert isinstance(cause, Cancelled)
    assert str(cause).endswith("fails_later' failed: Boom('why')")
    assert isinstance(cause.__cause__, Boom)


def test_a_group_in_a_group_stays_one() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(concurrence(fails)))

    inner = caught.value.exceptions[0]
    assert isinstance(inner, ExceptionGroup)
    assert isinstance(inner.exceptions[0], Boom)


def test_when_the_context_ends_it_raises_cancelled_from_the_cause(clock: VirtualClock) -> None:
    ctx = Context.background().with_timeout(5)

    with pytest.raises(Cancelled) as caught:
        run(concurrence(until_the_end, until_the_end_async), ctx)

    assert (caught.value.__cause__, clock.elapsed) == (ctx.cause, 5)


def test_tasks_that_return_when_the_context_ends_make_it_a_success(clock: VirtualClock) -> None:
    run(concurrence(lambda ctx: ctx.wait(), lambda: None), Context.background().with_timeout(5))

    assert clock.elapsed == 5


def test_under_an_ended_context_no_task_is_started() -> None:
    log: list[str] = []

    with pytest.raises(Cancelled):
        run(concurrence(noting(log, "sync"), sequence(noting(log, "sequence"))), ended())

    assert log == []


def test_an_empty_concurrence_is_a_success() -> None:
    run(concurrence())


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_exit_ends_the_others_and_is_raised_bare(error: BaseException, is_async: bool) -> None:
    def exits() -> None:
        raise error

    async def exits_async() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run(concurrence(exits_async if is_async else exits, until_the_end, until_the_end_async))

    assert caught.value is error


def test_an_exit_keeps_the_other_failures_as_its_cause() -> None:
    async def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        run(concurrence(exits, fails_async))

    cause = caught.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert [type(error) for error in cause.exceptions] == [Boom]


def test_an_exit_in_a_nested_concurrence_is_raised_bare() -> None:
    async def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(concurrence(concurrence(exits, until_the_end), until_the_end_async))


def test_a_base_exception_comes_in_a_group() -> None:
    class Odd(BaseException):
        pass

    def odd() -> None:
        raise Odd

    with pytest.raises(BaseExceptionGroup) as caught:
        run(concurrence(odd))

    assert not isinstance(caught.value, ExceptionGroup)


def test_alone_an_exit_keeps_its_own_cause() -> None:
    error = SystemExit(3)
    error.__cause__ = Boom()

    assert isinstance(together([error]).__cause__, Boom)


def test_one_hook_serves_all_tasks() -> None:
    counts: list[int] = []

    async def counts_hooks(ctx: Context) -> None:
        await asyncio.sleep(0)
        counts.append(hooks(ctx))

    run(concurrence(*[counts_hooks] * 100))

    assert set(counts) == {1}


def test_an_error_holds_no_frame_of_the_group() -> None:
    async def work() -> None:
        try:
            await concurrence(fails_async)()
        except ExceptionGroup as group:
            frames = []
            traceback = group.__traceback__
            while traceback is not None:
                frames.append(traceback.tb_frame.f_locals.get("self"))
                traceback = traceback.tb_next
            outcomes = [getattr(owner, "_outcomes", []) for owner in frames]
            assert outcomes == [[]] * len(outcomes)

    asyncio.run(work())


def test_a_task_that_gets_its_thread_after_another_has_failed_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    jobs: list[Callable[[], object]] = []
    monkeypatch.setattr(threads, "submit", jobs.append)

    async def work() -> None:
        running = asyncio.ensure_future(concurrence(fails_async, noting(log, "started"))())
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.to_thread(jobs[0])
        with pytest.raises(ExceptionGroup):
            await running

    asyncio.run(work())

    assert log == []


def test_a_thousand_tasks_of_both_kinds_end(clock: VirtualClock) -> None:
    run(concurrence(*[sleeping_async(number % 7) for number in range(900)], *[sleeping(3)] * 100))

    assert clock.elapsed == 6
