from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tasker import (
    Cancelled,
    Context,
    DeadlineExceeded,
    TaskLike,
    concurrence,
    run,
    schedule,
    sequence,
    with_repeat,
    with_timeout,
)
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended, noting, sleeping, sleeping_async, until_the_end, until_the_end_async

SLOW: list[TaskLike] = [sleeping(3600), sleeping_async(3600), sequence(sleeping(3600)), sequence(sleeping_async(3600))]


@pytest.mark.parametrize("slow", SLOW)
def test_a_task_that_takes_longer_is_ended(slow: TaskLike, clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded, match="took longer than 5 s"):
        run(with_timeout(5, slow))

    assert clock.elapsed == 5


@pytest.mark.parametrize("quick", [sleeping(4), sleeping_async(4)])
def test_a_task_that_ends_in_time_is_a_success(quick: TaskLike, clock: VirtualClock) -> None:
    run(with_timeout(timedelta(seconds=5), quick))

    assert clock.elapsed == 4


def test_it_is_a_timeout_error() -> None:
    with pytest.raises(TimeoutError):
        run(with_timeout(0, until_the_end))


def test_the_message_names_the_task(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded, match=r"^'until_the_end' took longer than 2\.5 s$"):
        run(with_timeout(2.5, until_the_end))


def test_returning_normally_after_the_deadline_is_too_late(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded):
        run(with_timeout(5, lambda ctx: ctx.wait()))


def test_an_own_error_after_the_deadline_is_raised_instead(clock: VirtualClock) -> None:
    def fails_late(ctx: Context) -> None:
        ctx.wait()
        raise Boom

    with pytest.raises(Boom):
        run(with_timeout(5, fails_late))


def test_an_own_error_in_time_is_raised() -> None:
    def fails() -> None:
        raise Boom

    with pytest.raises(Boom):
        run(with_timeout(5, fails))


def test_when_the_outer_context_ends_first_it_is_cancelled(clock: VirtualClock) -> None:
    ctx = Context.background().with_timeout(2)

    with pytest.raises(Cancelled) as caught:
        run(with_timeout(5, until_the_end_async), ctx)

    assert (caught.value.__cause__, clock.elapsed) == (ctx.cause, 2)


def test_an_inner_timeout_is_a_failure_for_the_outer_one(clock: VirtualClock) -> None:
    log: list[str] = []

    def inner(ctx: Context) -> None:
        try:
            with_timeout(2, until_the_end).run(ctx)
        except DeadlineExceeded:
            log.append("inner")
            raise

    with pytest.raises(DeadlineExceeded, match=r"took longer than 2 s"):
        run(with_timeout(5, inner))

    assert log == ["inner"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_inner_timeout_that_raises_after_the_outer_one_is_over_is_a_failure(
    is_async: bool, clock: VirtualClock
) -> None:
    error = DeadlineExceeded("of something else")

    def late(ctx: Context) -> None:
        ctx.wait()
        raise error

    async def late_async() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise error from None

    with pytest.raises(DeadlineExceeded) as caught:
        run(with_timeout(5, late_async if is_async else late))

    assert caught.value is error


def test_the_shorter_of_two_timeouts_counts(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded, match="took longer than 2 s"):
        run(with_timeout(2, with_timeout(5, until_the_end)))

    assert clock.elapsed == 2


def test_with_zero_the_task_is_not_started() -> None:
    log: list[str] = []

    with pytest.raises(DeadlineExceeded):
        run(with_timeout(0, noting(log, "started")))

    assert log == []


def test_what_returns_normally_at_the_end_is_too_late_as_well(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded):
        run(with_timeout(5, with_repeat(schedule.Interval(seconds=2), lambda: None)))


def test_under_an_ended_context_it_is_cancelled() -> None:
    with pytest.raises(Cancelled):
        run(with_timeout(5, until_the_end), ended())


def test_a_task_that_ignores_its_end_is_waited_for(clock: VirtualClock) -> None:
    async def ignores() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(60)

    with pytest.raises(DeadlineExceeded):
        run(with_timeout(5, ignores))

    assert clock.elapsed == 65


def test_a_timeout_in_a_concurrence_is_a_failure_that_ends_the_others(clock: VirtualClock) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(with_timeout(5, until_the_end_async), until_the_end))

    assert [type(error) for error in caught.value.exceptions] == [DeadlineExceeded]


@pytest.mark.parametrize(
    ("duration", "error"), [(-1, ValueError), (float("nan"), ValueError), (True, TypeError), ("5 s", TypeError)]
)
def test_a_bad_duration_is_refused_when_it_is_built(duration: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^duration: expected a"):
        with_timeout(duration, until_the_end)  # type: ignore[call-overload]


def test_it_decorates() -> None:
    @with_timeout(0)
    async def work() -> None: ...

    with pytest.raises(DeadlineExceeded, match="'work' took longer than 0 s"):
        work.run()
