from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from tasker import (
    Backoff,
    Cancelled,
    Context,
    DeadlineExceeded,
    LeaseLost,
    TaskLike,
    concurrence,
    ignore_error,
    on_error,
    run,
    schedule,
    sequence,
    to_task,
    with_grace,
    with_repeat,
    with_retry,
    with_shutdown,
    with_timeout,
)
from tasker.combinators._budget import Budget
from tasker.testing import VirtualClock
from tests._support.leftovers import hooks, nothing_left_behind, tasks_of_loop, timers
from tests._support.tasks import Boom, ended, noting, sleeping, sleeping_async

BACKGROUND = Context.background()


class Worker:
    """Sees its end, and leaves so many seconds later by itself, unless it is cancelled before."""

    def __init__(self, clock: VirtualClock, leaves_after: float = 3) -> None:
        self._clock = clock
        self._leaves_after = leaves_after
        self.log: list[tuple[str, float]] = []

    async def asynchronous(self, ctx: Context) -> None:
        try:
            await ctx.wait_async()
            self._note("told")
            await asyncio.sleep(self._leaves_after)
            self._note("left")
        except asyncio.CancelledError:
            self._note("cancelled")
            raise

    def sync(self, ctx: Context) -> None:
        ctx.wait()
        self._note("told")
        BACKGROUND.sleep(self._leaves_after)
        self._note("left")

    def _note(self, what: str) -> None:
        self.log.append((what, self._clock.elapsed))


def awaiting(task: TaskLike) -> TaskLike:
    async def awaits(ctx: Context) -> None:
        await to_task(task)(ctx)

    return awaits


def running(task: TaskLike) -> TaskLike:
    def runs(ctx: Context) -> None:
        run(task, ctx)

    return runs


WITHIN: dict[str, Callable[[TaskLike], TaskLike]] = {
    "itself": to_task,
    "sequence": sequence,
    "concurrence": concurrence,
    "two deep": lambda task: concurrence(sequence(concurrence(task))),
    "timeout": lambda task: with_timeout(3600, task),
    "retry": lambda task: with_retry(task, backoff=Backoff(initial=0)),
    "repeat": lambda task: with_repeat(schedule.Interval(seconds=1), task),
    "on_error": lambda task: on_error(task, lambda error: None),
    "ignore_error": ignore_error,
    "an async task that awaits it": awaiting,
    "a sync task that runs it": running,
}


@pytest.fixture(params=WITHIN)
def within(request: pytest.FixtureRequest) -> Callable[[TaskLike], TaskLike]:
    return WITHIN[request.param]


# --- what it does ---


def test_without_a_grace_an_async_task_is_cancelled_where_it_waits(clock: VirtualClock) -> None:
    worker = Worker(clock)

    with pytest.raises(Cancelled):
        run(worker.asynchronous, BACKGROUND.with_timeout(60))

    assert worker.log == [("cancelled", 60)]


def test_an_async_task_sees_its_end_and_leaves_by_itself(
    within: Callable[[TaskLike], TaskLike], clock: VirtualClock
) -> None:
    worker = Worker(clock, leaves_after=3)

    run(with_grace(10, within(worker.asynchronous)), BACKGROUND.with_timeout(60))

    assert worker.log == [("told", 60), ("left", 63)]


def test_it_is_cancelled_when_the_grace_is_over(within: Callable[[TaskLike], TaskLike], clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=30)

    try:
        run(with_grace(10, within(worker.asynchronous)), BACKGROUND.with_timeout(60))
    except Cancelled:
        pass  # with_repeat returns normally

    assert worker.log == [("told", 60), ("cancelled", 70)]


def test_leaving_normally_within_the_grace_is_a_success(clock: VirtualClock) -> None:
    run(with_grace(10, Worker(clock).asynchronous), BACKGROUND.with_timeout(60))


def test_being_cancelled_after_the_grace_is_a_clean_end(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(60)

    with pytest.raises(Cancelled) as caught:
        run(with_grace(10, sleeping_async(3600)), ctx)

    assert (caught.value.__cause__, clock.elapsed) == (ctx.cause, 70)


def test_an_error_within_the_grace_is_a_failure(clock: VirtualClock) -> None:
    async def fails_to_leave(ctx: Context) -> None:
        await ctx.wait_async()
        raise Boom

    with pytest.raises(Boom):
        run(with_grace(10, fails_to_leave), BACKGROUND.with_timeout(60))


def test_a_sync_task_does_not_notice(clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=30)

    run(with_grace(10, worker.sync), BACKGROUND.with_timeout(60))

    assert worker.log == [("told", 60), ("left", 90)]


def test_a_task_that_needs_no_stopping_is_run_as_it_is(clock: VirtualClock) -> None:
    run(with_grace(10, sleeping_async(5)))

    assert clock.elapsed == 5


def test_a_sync_tree_still_runs_in_one_thread() -> None:
    assert with_grace(10, sequence(sleeping(1))).runs_in_one_thread


def test_under_an_ended_context_nothing_is_run() -> None:
    log: list[str] = []

    with pytest.raises(Cancelled):
        run(with_grace(10, noting(log, "started")), ended())

    assert log == []


# --- whatever ends the context ---


def test_it_holds_when_a_sibling_fails(clock: VirtualClock) -> None:
    worker = Worker(clock)

    async def fails_later() -> None:
        await asyncio.sleep(60)
        raise Boom

    with pytest.raises(ExceptionGroup):
        run(concurrence(fails_later, with_grace(10, worker.asynchronous)))

    assert worker.log == [("told", 60), ("left", 63)]


def test_it_holds_for_a_concurrence_in_which_one_fails(clock: VirtualClock) -> None:
    worker = Worker(clock)

    async def fails_later() -> None:
        await asyncio.sleep(60)
        raise Boom

    with pytest.raises(ExceptionGroup):
        run(with_grace(10, concurrence(fails_later, worker.asynchronous)))

    assert worker.log == [("told", 60), ("left", 63)]


@pytest.mark.parametrize(
    "limited",
    [lambda task: with_grace(10, with_timeout(60, task)), lambda task: with_timeout(60, with_grace(10, task))],
)
def test_it_holds_for_a_timeout_inside_and_outside(
    limited: Callable[[TaskLike], TaskLike], clock: VirtualClock
) -> None:
    worker = Worker(clock)

    with pytest.raises(DeadlineExceeded):
        run(limited(worker.asynchronous))

    assert worker.log == [("told", 60), ("left", 63)]


def test_it_holds_for_a_native_cancellation_from_outside(clock: VirtualClock) -> None:
    worker = Worker(clock)

    async def work() -> None:
        awaited = asyncio.ensure_future(with_grace(10, worker.asynchronous)())
        await asyncio.sleep(60)
        awaited.cancel()
        await asyncio.sleep(1)
        awaited.cancel()  # once or often
        with pytest.raises(asyncio.CancelledError):
            await awaited

    run(work)

    assert worker.log == [("told", 60), ("left", 63)]


def test_it_does_not_hold_when_a_lease_is_lost(clock: VirtualClock) -> None:
    worker = Worker(clock)
    ctx = BACKGROUND.with_cancel()
    clock.call_at(60, lambda: ctx.cancel(LeaseLost("gone")))

    with pytest.raises(Cancelled):
        run(with_grace(10, concurrence(worker.asynchronous, sequence(worker.asynchronous))), ctx)

    assert {at for _, at in worker.log} == {60}
    assert worker.log[-1] == ("cancelled", 60)


# --- nested ---


@pytest.mark.parametrize(("outer", "inner", "ends_at"), [(20, 5, 65), (5, 20, 80), (5, 0, 60), (0, 5, 65)])
def test_of_several_the_nearest_counts(outer: float, inner: float, ends_at: float, clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=3600)

    with pytest.raises(Cancelled):
        run(with_grace(outer, sequence(with_grace(inner, worker.asynchronous))), BACKGROUND.with_timeout(60))

    assert worker.log[-1] == ("cancelled", ends_at)


def test_those_beside_it_have_none(clock: VirtualClock) -> None:
    with_one, without = Worker(clock), Worker(clock)

    with pytest.raises(Cancelled):
        run(concurrence(with_grace(10, with_one.asynchronous), without.asynchronous), BACKGROUND.with_timeout(60))

    assert with_one.log == [("told", 60), ("left", 63)]
    assert without.log == [("cancelled", 60)]


@pytest.mark.parametrize("ends_first", [2.0, 7.0])
def test_each_of_a_concurrence_is_waited_for(ends_first: float, clock: VirtualClock) -> None:
    workers = [Worker(clock, leaves_after=seconds) for seconds in (ends_first, 5, 3600)]

    with pytest.raises(Cancelled):
        run(with_grace(10, concurrence(*[each.asynchronous for each in workers])), BACKGROUND.with_timeout(60))

    assert [each.log[-1] for each in workers] == [("left", 60 + ends_first), ("left", 65), ("cancelled", 70)]


def test_inside_with_shutdown_start_is_cancelled_when_its_own_grace_is_over(clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=3600)

    run(
        with_grace(3600, with_shutdown(worker.asynchronous, lambda: None, grace=7)),
        BACKGROUND.with_timeout(60),
    )

    assert worker.log == [("cancelled", 67)]


def test_inside_with_shutdown_a_stop_that_takes_too_long_is_cancelled_at_its_end(clock: VirtualClock) -> None:
    stopping = Worker(clock)

    run(
        with_grace(3600, with_shutdown(sleeping_async(3600), stopping.asynchronous, grace=7)),
        BACKGROUND.with_timeout(60),
    )

    assert stopping.log == [("cancelled", 67)]


def test_a_start_with_a_grace_of_its_own_sees_the_end_first(clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=0.5)

    run(with_shutdown(with_grace(10, worker.asynchronous), lambda: None, grace=7), BACKGROUND.with_timeout(60))

    assert worker.log == [("told", 67), ("left", 67.5)]


# --- inside the budget of main ---


@pytest.mark.parametrize(("own", "ends_at"), [(25, 69.0), (2, 62.0)])
def test_inside_a_budget_it_is_the_smaller_of_both_less_a_tenth(
    own: float, ends_at: float, clock: VirtualClock
) -> None:
    worker = Worker(clock, leaves_after=3600)
    budget = Budget(10)
    ctx = budget.under(BACKGROUND).with_cancel()
    ctx._attach(budget.begin)
    clock.call_at(60, ctx.cancel)

    with pytest.raises(Cancelled):
        run(with_grace(own, worker.asynchronous), ctx)
    budget.close()

    assert worker.log == [("told", 60), ("cancelled", ends_at)]


def test_inside_a_budget_that_has_begun_it_is_what_is_left_of_that(clock: VirtualClock) -> None:
    worker = Worker(clock, leaves_after=3600)
    budget = Budget(10)
    ctx = budget.under(BACKGROUND)
    clock.call_at(55, budget.begin)

    with pytest.raises(DeadlineExceeded):
        run(with_timeout(60, with_grace(25, worker.asynchronous)), ctx)
    budget.close()

    assert worker.log == [("told", 60), ("cancelled", 64.5)]


# --- nothing is left ---


def timers_on(loop: Any) -> list[Any]:
    return [handle for handle in loop._scheduled if not handle.cancelled()]


def test_no_timer_is_left_on_the_loop_when_a_task_leaves_before_its_grace_is_over(clock: VirtualClock) -> None:
    async def work() -> None:
        with BACKGROUND.with_cancel() as ctx:
            asyncio.get_running_loop().call_later(1, ctx.cancel)
            task = with_grace(3600, concurrence(Worker(clock).asynchronous, sequence(Worker(clock).asynchronous)))
            await task(ctx)
        assert timers_on(asyncio.get_running_loop()) == []

    run(work)

    assert clock.elapsed == 4


@pytest.mark.parametrize("turns", range(6))
def test_no_timer_is_left_on_the_loop_when_the_context_ends_just_after_the_last_task(
    turns: int, clock: VirtualClock
) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()

        def end_later(turns: int) -> None:
            loop.call_soon(end_later, turns - 1) if turns else ctx.cancel()

        async def ends_its_context() -> None:
            end_later(turns)

        with BACKGROUND.with_cancel() as ctx:
            with contextlib.suppress(Cancelled):
                await with_grace(3600, concurrence(ends_its_context))(ctx)
            for _ in range(10):
                await asyncio.sleep(0)
            assert timers_on(loop) == []

    run(work)


def test_nothing_is_left_behind() -> None:
    async def work() -> None:
        begun: list[Context] = []

        async def leaves(inner: Context) -> None:
            begun.append(inner)
            if len(begun) == 20:
                asyncio.get_running_loop().call_soon(ctx.cancel)
            await inner.wait_async()

        with BACKGROUND.with_cancel() as ctx:
            await concurrence(*[with_grace(3600, leaves) for _ in range(20)])(ctx)
            assert hooks(ctx) == 0
        assert tasks_of_loop() == set()

    before = timers()
    with nothing_left_behind(BACKGROUND):
        asyncio.run(work())
    assert timers() <= before


# --- arguments ---


@pytest.mark.parametrize(
    ("duration", "error"), [(-1, ValueError), (float("nan"), ValueError), (True, TypeError), ("5 s", TypeError)]
)
def test_a_bad_duration_is_refused_when_it_is_built(duration: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^duration: expected a"):
        with_grace(duration, lambda: None)


def test_it_decorates(clock: VirtualClock) -> None:
    log: list[str] = []

    @with_grace(10)
    async def work(ctx: Context) -> None:
        await ctx.wait_async()
        log.append("told")

    work.run(BACKGROUND.with_timeout(60))

    assert log == ["told"]


def test_a_decorator_that_was_given_no_task_is_none() -> None:
    with pytest.raises(TypeError, match=r"got the decorator <decorator with_grace\(10\)>"):
        concurrence(with_grace(10))


def test_its_name_says_how_long() -> None:
    assert str(with_grace(2.5, to_task(lambda: None, "work"))) == "with_grace 2.5 s\n└── work"
