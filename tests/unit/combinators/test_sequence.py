from __future__ import annotations

import asyncio

import pytest

from tasker import Cancelled, Context, run, sequence
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended, fails, fails_async, noting, sleeping, sleeping_async


def test_tasks_run_one_after_another(clock: VirtualClock) -> None:
    log: list[str] = []

    run(sequence(sleeping(2), noting(log, "first"), sleeping_async(3), noting(log, "second")))

    assert (log, clock.elapsed) == (["first", "second"], 5)


@pytest.mark.parametrize("failing", [fails, fails_async])
def test_a_failure_ends_the_sequence_and_is_raised_as_it_is(failing: object) -> None:
    log: list[str] = []

    with pytest.raises(Boom):
        run(sequence(noting(log, "before"), failing, noting(log, "after")))  # type: ignore[arg-type]

    assert log == ["before"]


@pytest.mark.parametrize("is_async", [False, True])
def test_when_the_context_ends_in_between_the_rest_are_not_started(is_async: bool) -> None:
    log: list[str] = []
    ctx = Context.background().with_cancel()
    cause = Boom()

    async def end_async() -> None:
        ctx.cancel(cause)

    with pytest.raises(Cancelled) as caught:
        run(sequence(end_async if is_async else lambda: ctx.cancel(cause), noting(log, "after")), ctx)

    assert (log, caught.value.__cause__) == ([], cause)


def test_an_end_after_the_last_task_is_a_success() -> None:
    ctx = Context.background().with_cancel()

    run(sequence(lambda: None, ctx.cancel), ctx)


def test_an_empty_sequence_is_a_success() -> None:
    run(sequence())


def test_an_empty_sequence_under_an_ended_context_starts_nothing_and_is_a_success() -> None:
    run(sequence(), ended())


def test_all_tasks_get_the_same_context() -> None:
    seen: list[Context] = []

    run(sequence(seen.append, sequence(seen.append)), Context.background())

    assert seen == [Context.background()] * 2


def test_a_sequence_can_be_run_again() -> None:
    log: list[str] = []
    task = sequence(noting(log, "a"), noting(log, "b"))

    task.run()
    asyncio.run(task())

    assert log == ["a", "b", "a", "b"]
