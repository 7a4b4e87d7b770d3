"""Who hears of events, and what standard logging makes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasker import events
from tasker.events import _bus
from tasker.events._bus import publish
from tasker.ports import Outcome, Reason
from tests._support.tasks import Boom

AT = datetime(2026, 1, 1, tzinfo=UTC)
WHERE: dict[str, Any] = {"at": AT, "instance": "web-1", "owner": "0123456789abcdef"}
WHICH: dict[str, Any] = {
    **WHERE,
    "schedule_id": "job",
    "slot": AT,
    "attempt": 2,
    "trigger": "schedule",
    "fencing_token": 7,
}
FINISHED: dict[str, Any] = {"duration": timedelta(seconds=1.5), "retries": 0, "error": None}
UP = events.StoreUp(after=timedelta(seconds=1), **WHERE)
DOWN = events.StoreDown(error=Boom("gone"), **WHERE)


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Callable[[], None]]]:
    ends: list[Callable[[], None]] = []

    def subscribe(*arguments: Any) -> Callable[[], None]:
        ends.append(events.subscribe(*arguments))
        return ends[-1]

    yield subscribe
    for end in ends:
        end()
    assert _bus._subscriptions == ()


Subscribe = Callable[..., Callable[[], None]]


def test_a_subscriber_hears_of_every_event_in_order(subscribe: Subscribe) -> None:
    heard: list[events.Event] = []
    subscribe(heard.append)

    publish(DOWN)
    publish(UP)

    assert heard == [DOWN, UP]


def test_it_hears_of_what_it_asked_for_only(subscribe: Subscribe) -> None:
    heard: list[events.Event] = []
    subscribe(heard.append, events.StoreUp, events.RunEvent)

    for event in (DOWN, UP, events.RunStarted(**WHICH)):
        publish(event)

    assert heard == [UP, events.RunStarted(**WHICH)]


def test_it_can_end_that_at_any_time_and_more_than_once(subscribe: Subscribe) -> None:
    heard: list[events.Event] = []
    end = subscribe(heard.append)
    other = subscribe(heard.append)

    end()
    end()
    publish(UP)
    other()
    publish(UP)

    assert heard == [UP]


def test_one_that_fails_is_logged_and_harms_nobody(subscribe: Subscribe, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[events.Event] = []

    def broken(event: events.Event) -> None:
        raise Boom

    subscribe(broken)
    subscribe(heard.append)

    publish(UP)

    assert heard == [UP]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "broken" in record.getMessage()
    assert "StoreUp" in record.getMessage()
    assert record.exc_info
    assert record.exc_info[0] is Boom


def test_one_may_subscribe_and_end_others_while_it_is_called(subscribe: Subscribe) -> None:
    heard: list[events.Event] = []

    def once(event: events.Event) -> None:
        heard.append(event)
        end()

    end = subscribe(once)

    publish(UP)
    publish(UP)

    assert heard == [UP]


@pytest.mark.parametrize("callback", [None, "print", 7])
def test_what_cannot_be_called_is_refused(callback: Any) -> None:
    with pytest.raises(TypeError, match="callback: expected a function of an event, got"):
        events.subscribe(callback)


@pytest.mark.parametrize("kind", [int, "RunFinished", UP, None])
def test_what_is_no_kind_of_event_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"kinds: expected classes of tasker\.events, got"):
        events.subscribe(print, kind)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        UP.instance = "other"  # type: ignore[misc]


LINES: list[tuple[events.Event, str, str]] = [
    (
        events.RunClaimed(late=timedelta(0), taken_over_from=None, **WHICH),
        "DEBUG",
        "'job' for 2026-01-01 00:00:00+00:00 is ours",
    ),
    (
        events.RunClaimed(late=timedelta(0), taken_over_from="fedcba9876543210", **WHICH),
        "WARNING",
        "'job' for 2026-01-01 00:00:00+00:00 is taken over, the lease of fedcba98 is over: attempt 2",
    ),
    (events.RunStarted(**WHICH), "DEBUG", "the run of 'job' for 2026-01-01 00:00:00+00:00 starts"),
    (
        events.RunRetried(retry=1, wait=timedelta(seconds=2), error=Boom("no"), **WHICH),
        "WARNING",
        "the run of 'job' for 2026-01-01 00:00:00+00:00 failed, retry 1 comes in 2 s",
    ),
    (
        events.RunFinished(outcome=Outcome.SUCCEEDED, **FINISHED, **WHICH),
        "DEBUG",
        "the run of 'job' for 2026-01-01 00:00:00+00:00 has ended: succeeded after 1.500 s",
    ),
    (
        events.RunFinished(outcome=Outcome.INTERRUPTED, **FINISHED, **WHICH),
        "INFO",
        "the run of 'job' for 2026-01-01 00:00:00+00:00 has ended: interrupted after 1.500 s",
    ),
    (
        events.RunFinished(outcome=Outcome.FAILED, **FINISHED, **WHICH),
        "ERROR",
        "the run of 'job' for 2026-01-01 00:00:00+00:00 failed",
    ),
    (
        events.RunFinished(outcome=Outcome.LEASE_LOST, is_given_up=True, **FINISHED, **WHICH),
        "ERROR",
        "'job' is given up for 2026-01-01 00:00:00+00:00 after 1 starts",
    ),
    (
        events.RunNotRecorded(outcome=Outcome.SUCCEEDED, is_lost=True, **WHICH),
        "WARNING",
        "the succeeded run of 'job' does not count: its lease was lost",
    ),
    (
        events.RunNotRecorded(outcome=Outcome.SUCCEEDED, is_lost=False, **WHICH),
        "ERROR",
        "the end of the run of 'job' for 2026-01-01 00:00:00+00:00 was not recorded",
    ),
    (
        events.RunLeaseLost(cause=Boom("gone"), **WHICH),
        "WARNING",
        "a run has lost its lease while it goes on: gone",
    ),
    (
        events.SlotsSkipped(schedule_id="job", slot=AT, until=AT, count=3, reason=Reason.MISFIRED, **WHERE),
        "INFO",
        "skipped 3 slots of 'job', from 2026-01-01 00:00:00+00:00 to 2026-01-01 00:00:00+00:00: misfired",
    ),
    (
        events.SlotsSkipped(schedule_id="job", slot=AT, until=AT, count=None, reason=Reason.OVERLAP, **WHERE),
        "INFO",
        "skipped many slots of 'job', from 2026-01-01 00:00:00+00:00 to 2026-01-01 00:00:00+00:00: overlap",
    ),
    (
        events.ScheduleIgnored(schedule_id="job", format=2, **WHERE),
        "WARNING",
        "'job' is left alone: its row cannot be read, or a newer version of tasker wrote it (format 2)",
    ),
    (DOWN, "WARNING", "the store of web-1 is away, nothing is started until it is back: gone"),
    (UP, "INFO", "the store of web-1 is back"),
    (
        events.RenewalLate(took=timedelta(seconds=2), period=timedelta(seconds=5), **WHERE),
        "WARNING",
        "renewing leases took 2.0 s of the 5.0 s between two times; a scheduler starts nothing new meanwhile",
    ),
    (
        events.InstanceJoined(other_owner="f", other_name="web-2", other_version="1", **WHERE),
        "INFO",
        "instance web-2 has joined",
    ),
    (
        events.InstanceGone(other_owner="f", other_name="web-2", has_left=True, **WHERE),
        "INFO",
        "instance web-2 has left",
    ),
    (
        events.InstanceGone(other_owner="f", other_name="web-2", has_left=False, **WHERE),
        "WARNING",
        "instance web-2 has not been seen for several leases",
    ),
    (events.InstanceDraining(is_draining=True, **WHERE), "INFO", "web-1 starts nothing new from now on"),
    (events.InstanceDraining(is_draining=False, **WHERE), "INFO", "web-1 starts runs again"),
]


@pytest.mark.parametrize(("event", "level", "line"), LINES, ids=lambda value: type(value).__name__)
def test_each_has_a_line_in_the_log_and_its_fields_in_the_record(
    caplog: pytest.LogCaptureFixture, event: events.Event, level: str, line: str
) -> None:
    caplog.set_level(logging.DEBUG)

    publish(event)

    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("tasker", level, line)
    assert (record.event, record.instance) == (type(event).__name__, "web-1")  # type: ignore[attr-defined]
    if isinstance(event, events.RunEvent):
        assert (record.schedule_id, record.fencing_token) == ("job", 7)  # type: ignore[attr-defined]


def test_every_kind_has_its_line() -> None:
    kinds = {value for name in events.__all__ if isinstance(value := getattr(events, name), type)}

    assert {type(event) for event, _, _ in LINES} == kinds - {events.Event, events.RunEvent}


def test_what_nobody_reads_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    publish(UP)

    assert caplog.records == []


def test_a_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    publish(events.RunFinished(outcome=Outcome.FAILED, **{**FINISHED, "error": Boom("no")}, **WHICH))

    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[0] is Boom
