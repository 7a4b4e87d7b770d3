from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tasker import (
    Context,
    TaskLike,
    concurrence,
    ignore_error,
    main,
    on_error,
    run,
    schedule,
    sequence,
    to_task,
    with_repeat,
    with_shutdown,
    with_signal_notify,
    with_timeout,
)
from tasker.combinators._lifecycle import Lifecycle, lifecycle_of
from tests._support.tasks import noting


def web() -> None: ...


async def poll() -> None: ...


def around(*tasks: TaskLike) -> Lifecycle:
    return Lifecycle([to_task(task) for task in tasks])


def test_before_anything_has_begun_nothing_has_started() -> None:
    assert around(web, poll).not_started() == ["web", "poll"]


def test_a_task_that_has_begun_has_started() -> None:
    task, other = to_task(web), to_task(poll)
    lifecycle = Lifecycle([task, other])

    run(task)

    assert lifecycle.not_started() == ["poll"]


@pytest.mark.parametrize("function", [web, poll])
def test_what_a_task_did_in_another_program_does_not_count(function: TaskLike) -> None:
    task = to_task(function)
    run(task)

    assert len(Lifecycle([task]).not_started()) == 1


def test_a_sequence_has_started_with_its_last_task() -> None:
    seen: list[object] = []

    def migrate(ctx: Context) -> None:
        seen.append(lifecycle_of(ctx).not_started())  # type: ignore[union-attr]

    def serve(ctx: Context) -> None:
        seen.append(lifecycle_of(ctx).not_started())  # type: ignore[union-attr]

    main(sequence(migrate, serve), signals=())

    assert seen == [["serve"], []]


def test_a_sequence_that_ends_with_something_that_waits_is_still_before_it_in_its_first_task() -> None:
    seen: list[object] = []

    def migrate(ctx: Context) -> None:
        seen.append(lifecycle_of(ctx).not_started())  # type: ignore[union-attr]
        raise StopIteration

    repeated = with_repeat(schedule.Daily(hour=3), web)
    main(ignore_error(sequence(migrate, repeated)), signals=())

    assert seen == [[repeated.name]]


@pytest.mark.parametrize(
    "combine",
    [
        lambda task: concurrence(poll, task),
        lambda task: with_timeout(5, task),
        lambda task: on_error(task, print),
        ignore_error,
        with_signal_notify,
        lambda task: with_shutdown(task, poll),
        lambda task: sequence(poll, concurrence(ignore_error(task))),
    ],
)
def test_a_combinator_has_started_when_what_it_starts_with_has(combine: Callable[..., Any]) -> None:
    async def looks(ctx: Context) -> None:
        lifecycle = lifecycle_of(ctx)
        assert lifecycle is not None
        while lifecycle.not_started():  # noqa: ASYNC110
            await asyncio.sleep(0)  # turns of the loop are what it takes

    task = combine(web)
    lifecycle = Lifecycle([task])
    main(task, looks, signals=())

    assert lifecycle.not_started() == []
    assert "web" in Lifecycle([task]).not_started()


@pytest.mark.parametrize(
    "task", [with_repeat(schedule.Daily(hour=3), web), sequence(), concurrence()], ids=["repeat", "sequence", "nothing"]
)
def test_what_waits_for_its_time_and_what_is_empty_counts_as_started(task: TaskLike) -> None:
    async def looks(ctx: Context) -> None:
        lifecycle = lifecycle_of(ctx)
        assert lifecycle is not None
        while lifecycle.not_started():  # noqa: ASYNC110
            await asyncio.sleep(0)  # turns of the loop are what it takes
        raise SystemExit

    with pytest.raises(SystemExit):
        main(task, looks, signals=())


def test_the_first_reason_for_stopping_counts() -> None:
    log: list[str] = []
    lifecycle = around()
    lifecycle.on_stopping(noting(log, "told"))

    lifecycle.stop("received SIGTERM")
    lifecycle.stop("the tasks are ending")

    assert (lifecycle.stopping, log) == ("received SIGTERM", ["told"])


def test_outside_main_there_is_none() -> None:
    assert lifecycle_of(Context.background()) is None


def test_without_a_watch_no_loop_is_blocked() -> None:
    assert around().blocked_for() == 0


def test_what_ends_without_a_signal_stops_too() -> None:
    found: list[Lifecycle | None] = []

    main(lambda ctx: found.append(lifecycle_of(ctx)))

    assert [lifecycle and lifecycle.stopping for lifecycle in found] == ["the tasks are ending"]
