"""Every slot and every change is an event, whoever runs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

import tasker
from tasker import LeaseLost, StoreUnavailable, events, schedule
from tasker._core.instants import micros_of
from tasker.ports import Outcome, Reason
from tasker.scheduler._announcer import Announcer
from tasker.testing import VirtualClock
from tests._support.instances import Journal, SteadyStore, Way, after, run_for, scheduler_on, stopped_after
from tests._support.tasks import Boom, fails

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
E = TypeVar("E", bound=events.Event)
DAILY = schedule.Daily(hour=4, tz="UTC")


@pytest.fixture
def heard() -> Iterator[list[events.Event]]:
    heard: list[events.Event] = []
    end = events.subscribe(heard.append)
    yield heard
    end()


def only(heard: list[events.Event], kind: type[E]) -> list[E]:
    return [event for event in heard if isinstance(event, kind)]


def test_a_run_is_claimed_started_and_finished(store: SteadyStore, journal: Journal, heard: list[events.Event]) -> None:
    run_for(70, scheduler_on(Way(store), name="web-1").with_schedule("job", EACH_MINUTE, journal.noting(seconds=5)))

    claimed, started, finished = only(heard, events.RunEvent)
    assert isinstance(claimed, events.RunClaimed)
    assert (claimed.schedule_id, claimed.slot, claimed.attempt) == ("job", START + timedelta(minutes=1), 1)
    assert (claimed.instance, claimed.trigger, claimed.taken_over_from) == ("web-1", "schedule", None)
    assert timedelta(0) <= claimed.late < timedelta(seconds=1)
    assert isinstance(started, events.RunStarted)
    assert isinstance(finished, events.RunFinished)
    assert finished.outcome is Outcome.SUCCEEDED
    assert finished.error is None
    assert finished.duration == pytest.approx(timedelta(seconds=5), abs=timedelta(milliseconds=1))
    assert {event.fencing_token for event in (claimed, started, finished)} == {journal.started[0].token}
    assert finished.at - claimed.at == pytest.approx(timedelta(seconds=5), abs=timedelta(milliseconds=1))


def test_a_failure_carries_its_error(store: SteadyStore, heard: list[events.Event]) -> None:
    run_for(70, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, fails))

    (finished,) = only(heard, events.RunFinished)
    assert (finished.outcome, type(finished.error)) == (Outcome.FAILED, Boom)


def test_a_shutdown_is_an_interruption(store: SteadyStore, journal: Journal, heard: list[events.Event]) -> None:
    run_for(65, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=60)))

    (finished,) = only(heard, events.RunFinished)
    assert finished.outcome is Outcome.INTERRUPTED


def test_skipped_slots_are_said_with_their_reason(
    clock: VirtualClock, store: SteadyStore, journal: Journal, heard: list[events.Event]
) -> None:
    run_for(
        500,
        scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=130)),
        after(30, lambda: clock.suspend(600)),
    )

    found = [(event.reason, event.count) for event in only(heard, events.SlotsSkipped)]
    assert found[:2] == [(Reason.MISFIRED, 9), (Reason.OVERLAP, 2)]


def test_slots_that_are_passed_over_without_a_run_are_said_too(
    clock: VirtualClock, store: SteadyStore, journal: Journal, heard: list[events.Event]
) -> None:
    run_for(
        100,
        scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(), misfire="skip", late=1),
        after(30, lambda: clock.suspend(632)),
    )

    (skipped,) = only(heard, events.SlotsSkipped)
    assert (skipped.reason, skipped.count, skipped.schedule_id) == (Reason.MISFIRED, 11, "job")


def test_a_store_that_goes_and_comes_is_said_once_each(way: Way, journal: Journal, heard: list[events.Event]) -> None:
    run_for(
        120,
        scheduler_on(way).with_schedule("job", DAILY, journal.noting()),
        after(30, lambda: setattr(way, "is_cut", True)),
        after(90, lambda: setattr(way, "is_cut", False)),
    )

    down, up = heard
    assert isinstance(down, events.StoreDown)
    assert isinstance(down.error, StoreUnavailable)
    assert isinstance(up, events.StoreUp)
    assert timedelta(seconds=58) <= up.after <= timedelta(seconds=66)


def test_a_lost_lease_is_said_where_it_is_lost_and_where_it_is_taken_over(
    store: SteadyStore, journal: Journal, heard: list[events.Event]
) -> None:
    way = Way(store)
    run_for(
        100,
        scheduler_on(way, name="one").with_schedule("job", EACH_MINUTE, journal.noting("one", seconds=600)),
        after(61, lambda: setattr(way, "is_cut", True)),
        tasker.sequence(
            lambda ctx: ctx.sleep(62),
            scheduler_on(Way(store), name="two").with_schedule("job", EACH_MINUTE, journal.noting("two")),
        ),
    )

    lost = only(heard, events.RunLeaseLost)
    assert [(event.instance, type(event.cause)) for event in lost] == [("one", LeaseLost)]
    first, second = only(heard, events.RunClaimed)
    assert (first.taken_over_from, second.taken_over_from) == (None, first.owner)
    assert second.attempt == 2
    assert second.fencing_token > first.fencing_token


def test_a_result_that_does_not_count_is_said(store: SteadyStore, heard: list[events.Event]) -> None:
    takers = iter([lambda: setattr(store._rows["job"], "token", store._rows["job"].token + 1)])

    def work() -> None:
        next(takers, lambda: None)()

    run_for(70, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, work))

    (lost,) = only(heard, events.RunNotRecorded)
    assert (lost.outcome, lost.is_lost) == (Outcome.SUCCEEDED, True)


def test_a_row_of_a_newer_version_is_said_to_be_ignored(
    store: SteadyStore, journal: Journal, heard: list[events.Event]
) -> None:
    run_for(10, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))
    store._rows["job"].format = 99
    heard.clear()

    run_for(130, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))

    assert [(event.schedule_id, event.format) for event in only(heard, events.ScheduleIgnored)] == [("job", 99)]
    assert journal.started == []


def test_instances_see_each_other_come_and_go(store: SteadyStore, journal: Journal, heard: list[events.Event]) -> None:
    way = Way(store)

    def instance(name: str, way: Way) -> tasker.Task:
        return scheduler_on(way, name=name, version="2").with_schedule("job", DAILY, journal.noting())

    run_for(
        200,
        instance("one", Way(store)),
        tasker.sequence(lambda ctx: ctx.sleep(20), stopped_after(30, instance("two", Way(store)))),
        tasker.sequence(lambda ctx: ctx.sleep(50), instance("dead", way)),
        after(80, lambda: setattr(way, "is_cut", True)),
    )

    seen = [event for event in heard if event.instance == "one"]
    assert [
        (type(event).__name__, event.other_name)
        for event in seen
        if isinstance(event, events.InstanceJoined | events.InstanceGone)
    ] == [
        ("InstanceJoined", "two"),
        *sorted([("InstanceGone", "two"), ("InstanceJoined", "dead")], reverse=True),
        ("InstanceGone", "dead"),
    ]
    assert [event.has_left for event in only(seen, events.InstanceGone)] == [True, False]
    assert {event.other_version for event in only(seen, events.InstanceJoined)} == {"2"}


def test_draining_is_said(store: SteadyStore, journal: Journal, heard: list[events.Event]) -> None:
    scheduler = scheduler_on(Way(store))
    run_for(
        30,
        scheduler.with_schedule("job", DAILY, journal.noting()),
        after(10, scheduler.drain),
        after(20, scheduler.undrain),
    )

    assert [event.is_draining for event in only(heard, events.InstanceDraining)] == [True, False]


def test_leases_that_are_renewed_late_are_said(way: Way, journal: Journal, heard: list[events.Event]) -> None:
    def slow() -> None:
        way.delays["renew"] = 2

    run_for(100, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=30)), after(61, slow))

    (late,) = only(heard, events.RenewalLate)
    assert (late.took, late.period) == (timedelta(seconds=2), timedelta(seconds=5))


def test_a_subscriber_that_fails_harms_no_run(
    store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: events.Event) -> None:
        raise Boom

    end = events.subscribe(broken)
    try:
        run_for(130, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))
    finally:
        end()

    assert [record.outcome for record in store.history("job", 10)] == [Outcome.SUCCEEDED] * 2
    assert any("broken" in message for message in caplog.messages)


def test_ordinary_runs_make_no_events_for_nobody(store: SteadyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(Announcer, "_which", lambda self, grant: made.append(grant))

    run_for(130, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, lambda: None))

    assert made == []


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_the_log_shows_ordinary_runs_for_debugging_only(
    store: SteadyStore, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level)

    run_for(70, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, lambda: None))

    runs = [message for message in caplog.messages if "'job'" in message]
    assert len(runs) == (3 if level == logging.DEBUG else 0)


@pytest.mark.parametrize("which", ["one", "all"])
def test_what_a_pause_has_swallowed_is_said_once_where_it_is_resumed(
    store: SteadyStore, journal: Journal, heard: list[events.Event], which: str
) -> None:
    operator = scheduler_on(Way(store))
    instances = [scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()) for _ in range(2)]

    run_for(
        330,
        *instances,
        after(90, lambda: operator.pause("job")),
        after(270, lambda: operator.resume("job") if which == "one" else operator.resume_all()),
        after(280, operator.resume_all),  # nothing is paused any more
    )

    (skipped,) = only(heard, events.SlotsSkipped)
    (record,) = [record for record in store.history("job", 10) if record.reason is Reason.PAUSED]
    assert (skipped.schedule_id, skipped.reason, skipped.instance) == ("job", Reason.PAUSED, "")
    assert (micros_of(skipped.slot), micros_of(skipped.until)) == (record.slot, record.until)


def test_slots_that_were_skipped_are_said_also_if_the_answer_to_that_was_lost(
    way: Way, store: SteadyStore, journal: Journal, heard: list[events.Event]
) -> None:
    run_for(
        200,
        scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=70)),
        after(100, lambda: way.loses.add("finish")),
        after(140, way.loses.clear),
    )

    assert [event.slot for event in only(heard, events.SlotsSkipped)] == [START + timedelta(minutes=2)]
