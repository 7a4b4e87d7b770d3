"""Retries of a scheduled task: tries under one lease, and one record for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tasker
from tasker import Backoff, Context, Retry, Run, Scheduler, events, schedule
from tasker.ports import Outcome
from tasker.testing import VirtualClock
from tests._support.instances import Journal, SteadyStore, Way, after, records, run_for, scheduler_on
from tests._support.tasks import Boom, fails

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
THREE = Retry(attempts=3, backoff=Backoff(initial=2, factor=1, jitter=0))


class Flaky:
    """A task that fails so often and then succeeds, and notes what it is each time."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.runs: list[Run] = []

    def __call__(self) -> None:
        self.runs.append(Run.current())
        if self.left:
            self.left -= 1
            raise Boom(f"{self.left} to go")


@pytest.fixture
def scheduler(way: Way) -> Scheduler:
    return scheduler_on(way)


def test_a_task_that_fails_is_run_again_under_the_same_lease(scheduler: Scheduler, store: SteadyStore) -> None:
    task = Flaky(2)

    run_for(70, scheduler.with_schedule("job", EACH_MINUTE, task, retry=THREE))

    assert [run.retry for run in task.runs] == [0, 1, 2]
    assert {(run.attempt, run.fencing_token, run.slot) for run in task.runs} == {
        (1, store.history("job", 1)[0].token, START + timedelta(minutes=1))
    }
    assert records(store) == ["succeeded 01-01 00:01"]
    assert store.history("job", 1)[0].retries == 2


def test_an_async_task_is_run_again_too(scheduler: Scheduler, store: SteadyStore) -> None:
    tries: list[int] = []

    async def work() -> None:
        await asyncio.sleep(1)
        tries.append(Run.current().retry)
        if len(tries) < 3:
            raise Boom

    run_for(70, scheduler.with_schedule("job", EACH_MINUTE, work, retry=THREE))

    assert tries == [0, 1, 2]
    assert records(store) == ["succeeded 01-01 00:01"]


def test_after_the_last_try_the_slot_has_failed(scheduler: Scheduler, store: SteadyStore) -> None:
    task = Flaky(100)

    run_for(70, scheduler.with_schedule("job", EACH_MINUTE, task, retry=THREE))

    assert len(task.runs) == 3
    (record,) = store.history("job", 10)
    assert (record.outcome, record.retries) == (Outcome.FAILED, 2)
    assert record.error is not None
    assert "97 to go" in record.error
    assert "given up after 3 runs" in record.error
    assert store.states(["job"])[0].failures == 1


def test_each_slot_has_its_tries_anew(scheduler: Scheduler, store: SteadyStore) -> None:
    task = Flaky(4)

    run_for(190, scheduler.with_schedule("job", EACH_MINUTE, task, retry=THREE))

    assert [run.retry for run in task.runs] == [0, 1, 2, 0, 1, 0]
    assert [record.retries for record in reversed(store.history("job", 10))] == [2, 1, 0]


def test_the_lease_is_renewed_between_the_tries(store: SteadyStore, journal: Journal) -> None:
    task = Flaky(2)
    slow = Retry(attempts=3, backoff=Backoff(initial=40, maximum=40, factor=1, jitter=0))

    run_for(
        170,
        scheduler_on(Way(store)).with_schedule("job", schedule.Daily(minute=1, tz="UTC"), task, retry=slow),
        tasker.sequence(
            lambda ctx: ctx.sleep(61),
            scheduler_on(Way(store)).with_schedule("job", schedule.Daily(minute=1, tz="UTC"), journal.noting()),
        ),
    )

    assert journal.started == []
    assert records(store) == ["succeeded 01-01 00:01"]


def test_a_stop_between_two_tries_gives_the_slot_back(store: SteadyStore, journal: Journal) -> None:
    slow = Retry(attempts=3, backoff=Backoff(initial=20, maximum=20, factor=1, jitter=0))

    run_for(
        100,
        tasker.ignore_error(
            tasker.concurrence(
                scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, fails, retry=slow),
                tasker.sequence(lambda ctx: ctx.sleep(70), fails),
            ),
            Boom,
        ),
        tasker.sequence(
            lambda ctx: ctx.sleep(65), scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting())
        ),
    )

    assert records(store)[:2] == ["interrupted 01-01 00:01", "succeeded 01-01 00:01 attempt 2"]
    assert 70 <= journal.started[0].at <= 71.1


def test_a_lost_lease_ends_the_tries(store: SteadyStore, journal: Journal) -> None:
    way = Way(store)
    task = Flaky(100)
    often = Retry(attempts=None, backoff=Backoff(initial=1, factor=1, jitter=0))

    run_for(
        100,
        scheduler_on(way).with_schedule("job", EACH_MINUTE, task, retry=often),
        after(61, lambda: setattr(way, "is_cut", True)),
    )

    assert 14 <= len(task.runs) <= 16


def test_the_timeout_is_for_all_tries_together(scheduler: Scheduler, store: SteadyStore, clock: VirtualClock) -> None:
    tries: list[float] = []

    def work(ctx: Context) -> None:
        tries.append(clock.elapsed)
        ctx.sleep(4)
        raise Boom

    run_for(90, scheduler.with_schedule("job", EACH_MINUTE, work, retry=THREE, timeout=9))

    assert [round(when) for when in tries] == [60, 66]
    assert records(store) == ["timed_out 01-01 00:01"]


def test_what_is_not_worth_a_retry_fails_at_once(scheduler: Scheduler, store: SteadyStore) -> None:
    task = Flaky(1)

    run_for(70, scheduler.with_schedule("job", EACH_MINUTE, task, retry=Retry(on=OSError)))

    assert len(task.runs) == 1
    assert records(store) == ["failed 01-01 00:01"]


def test_each_retry_is_an_event_and_a_line(
    scheduler: Scheduler, store: SteadyStore, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[events.RunRetried] = []
    end = events.subscribe(heard.append, events.RunRetried)
    try:
        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, Flaky(2), retry=THREE))
    finally:
        end()

    assert [(event.retry, event.wait, str(event.error)) for event in heard] == [
        (1, timedelta(seconds=2), "1 to go"),
        (2, timedelta(seconds=2), "0 to go"),
    ]
    lines = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [line.getMessage() for line in lines] == [
        f"the run of 'job' for 2026-01-01 00:01:00+00:00 failed, retry {number} comes in 2 s" for number in (1, 2)
    ]
    assert all(line.exc_info and line.exc_info[0] is Boom for line in lines)


@pytest.mark.parametrize("given", [3, "3", {"attempts": 3}, Backoff()])
def test_what_is_no_retry_is_refused_when_it_is_built(scheduler: Scheduler, given: Any) -> None:
    add: Callable[..., object]
    for add in (scheduler.add, scheduler.with_schedule):
        with pytest.raises(TypeError, match=r"retry: expected a Retry, as in Retry\(attempts=3\), or None, got"):
            add("job", EACH_MINUTE, fails, retry=given)


def test_the_tree_shows_the_retries(scheduler: Scheduler) -> None:
    task = scheduler.with_schedule("job", EACH_MINUTE, fails, retry=THREE, timeout=9)

    assert "with_timeout 9 s" in str(task)
    assert "with_retry up to 3 times" in str(task)
