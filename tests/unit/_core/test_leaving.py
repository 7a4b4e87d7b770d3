from __future__ import annotations

import asyncio

import pytest

from tasker import Cancelled, Context, DeadlineExceeded
from tasker._core.leaving import is_cancellation, leaving, members_of
from tests._support.tasks import Boom, ended

ALIVE = Context.background()


@pytest.mark.parametrize("error", [Cancelled(), asyncio.CancelledError()])
def test_a_cancellation_after_the_end_is_a_clean_leave(error: BaseException) -> None:
    ctx = ended(Boom())

    left = leaving(error, ctx, "task")

    assert (type(left), left.__cause__) == (Cancelled, ctx.cause)


def test_the_own_cause_of_the_context_is_a_clean_leave() -> None:
    cause = Boom()

    assert type(leaving(cause, ended(cause), "task")) is Cancelled


def test_an_equal_error_that_is_not_the_cause_is_a_failure() -> None:
    inner = DeadlineExceeded("the deadline passed")

    assert leaving(inner, ended(DeadlineExceeded("the deadline passed")), "task") is inner


def test_a_group_of_cancellations_only_is_a_clean_leave() -> None:
    ctx = ended(Boom())
    assert ctx.cause is not None
    group = BaseExceptionGroup("", [Cancelled(), BaseExceptionGroup("", [asyncio.CancelledError(), ctx.cause])])

    assert type(leaving(group, ctx, "task")) is Cancelled


def test_a_group_with_a_failure_in_it_is_a_failure() -> None:
    group = BaseExceptionGroup("", [Cancelled(), Boom()])

    assert leaving(group, ended(), "task") is group


def test_an_error_after_the_end_is_a_failure() -> None:
    error = Boom()

    assert leaving(error, ended(), "task") is error


@pytest.mark.parametrize("error", [Cancelled(), asyncio.CancelledError()])
def test_a_cancellation_before_the_end_is_a_failure_that_says_so(error: BaseException) -> None:
    left = leaving(error, ALIVE, "heartbeat")

    expected = f"'heartbeat' left with {type(error).__name__} although its context has not ended"
    assert (type(left), str(left), left.__cause__) == (RuntimeError, expected, error)


def test_stop_iteration_becomes_a_runtime_error() -> None:
    error = StopIteration(5)

    left = leaving(error, ALIVE, "heartbeat")

    assert (type(left), str(left), left.__cause__) == (RuntimeError, "'heartbeat' raised StopIteration", error)


def test_a_native_cancellation_from_outside_stays_what_it_is() -> None:
    got: list[BaseException] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            got.extend([error, leaving(error, ALIVE, "task")])

    async def program() -> None:
        running = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        running.cancel()
        await running

    asyncio.run(program())

    assert got[0] is got[1]


def test_what_a_shared_cause_gathers_on_its_way_is_dropped() -> None:
    cause = Boom()
    ctx = ended(cause)

    for _ in range(300):
        try:
            raise cause
        except Boom as error:
            leaving(error, ctx, "task")

    assert cause.__traceback__ is None


def test_the_traceback_of_a_cause_stays_when_others_leave_with_cancelled() -> None:
    ctx = Context.background().with_cancel()
    try:
        raise Boom
    except Boom as error:
        ctx.cancel(error)

    leaving(Cancelled(), ctx, "task")

    assert ctx.cause is not None
    assert ctx.cause.__traceback__ is not None


def test_a_cancelled_of_a_context_above_counts_as_its_own() -> None:
    parent = Context.background().with_cancel()
    child = parent.with_cancel()
    with parent._lock:
        parent._cause = Boom()  # another thread is just ending it, and has not come to the child yet

    assert type(leaving(Cancelled(), child, "task")) is Cancelled


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [(None, False), (Boom(), False), (Cancelled(), True), (asyncio.CancelledError(), True), (SystemExit(3), False)],
)
def test_only_cancellations_are_cancellations(outcome: BaseException | None, answer: bool) -> None:
    assert is_cancellation(outcome) is answer


def test_only_a_group_has_members() -> None:
    error = Boom()

    assert (members_of(error), members_of(ExceptionGroup("", [error]))) == (None, (error,))
