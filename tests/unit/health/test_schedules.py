from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from tasker._core import clock as clocks
from tasker.health._schedules import Schedules, is_overdue
from tasker.ports import ScheduleState
from tasker.testing import VirtualClock

HOUR = 3_600_000_000
MINUTE = 60_000_000
# 2025-06-01T12:00:00Z, an hour that an hourly schedule is due at.
NOON = 1_748_779_200_000_000


def hourly(**changes: Any) -> ScheduleState:
    """Return an hourly schedule whose run of 11:00 took a minute, and whose next slot is noon."""
    known: dict[str, Any] = {
        "decided": NOON - HOUR,
        "last_success": NOON - HOUR + MINUTE,
        "next_slot": NOON,
        "defined": 1,
    }
    return ScheduleState(id="report", **{**known, **changes})


@dataclass
class Bare:
    """What third parties need to know at least."""

    id: str = "report"
    paused: int | None = None
    next_slot: int | None = NOON
    last_success: int | None = NOON - HOUR


@pytest.mark.parametrize(
    ("row", "now", "overdue"),
    [
        (hourly(), NOON - 1, False),
        (hourly(), NOON + 5 * MINUTE, False),
        (hourly(), NOON + 6 * MINUTE, False),
        (hourly(), NOON + 6 * MINUTE + 1, True),
        # It failed at 12:00 and at 13:00: the next slot is ahead, but the last success is old.
        (hourly(decided=NOON + HOUR, next_slot=NOON + 2 * HOUR), NOON + HOUR + MINUTE, True),
        # Three days over the week-end.
        (hourly(decided=NOON - 72 * HOUR, last_success=NOON - 72 * HOUR), NOON, False),
        (hourly(paused=1), NOON + HOUR, False),
        (hourly(next_slot=None), NOON + HOUR, False),
        (hourly(lease_until=NOON + HOUR + 1), NOON + HOUR, False),
        (hourly(lease_until=NOON), NOON + HOUR, True),
        # Never run, since 11:00.
        (hourly(last_success=None, defined=NOON - HOUR), NOON + 5 * MINUTE, False),
        (hourly(last_success=None, defined=NOON - HOUR), NOON + 5 * MINUTE + 1, True),
        (Bare(), NOON + 5 * MINUTE, False),
        (Bare(), NOON + 5 * MINUTE + 1, True),
        (Bare(last_success=None), NOON + 5 * MINUTE + 1, True),
    ],
)
def test_a_schedule_is_overdue_beyond_its_period_and_a_margin(row: Any, now: int, overdue: bool) -> None:
    assert (is_overdue(row, now, 300) is not None) is overdue


def test_the_sentence_says_what_was_expected() -> None:
    assert is_overdue(hourly(), NOON + HOUR, 300) == (
        "schedule 'report' is overdue: its last success was 2025-06-01T11:01:00+00:00, and another was due"
        " 2025-06-01T12:01:00+00:00"
    )
    assert is_overdue(hourly(last_success=None, defined=NOON - HOUR), NOON + HOUR, 300) == (
        "schedule 'report' is overdue: it has never succeeded, and another was due 2025-06-01T12:00:00+00:00"
    )


class Source:
    def __init__(self, *rows: Any) -> None:
        self.rows = rows
        self.asked = 0
        self.error: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()

    def states(self) -> Any:
        self.asked += 1
        assert self.hold.wait(5)
        if self.error is not None:
            raise self.error
        return self.rows


def test_all_sources_are_asked() -> None:
    sources = [Source(hourly()), Source(Bare(id="other"), hourly(paused=1))]

    assert [sentence.split()[1] for sentence in Schedules(sources, 60).overdue()] == ["'report'", "'other'"]


def test_without_a_source_nothing_is_overdue() -> None:
    assert Schedules([], 60).overdue() == []


def test_the_store_is_asked_every_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 104.9, 105.1])
    monkeypatch.setattr(clocks.system(), "monotonic", lambda: next(times))
    source = Source()
    schedules = Schedules([source], 60)

    asked = [(schedules.overdue(), source.asked)[1] for _ in range(3)]

    assert asked == [1, 1, 2]


def test_a_store_that_fails_is_logged_without_its_text_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter([100.0, 200.0])
    monkeypatch.setattr(clocks.system(), "monotonic", lambda: next(times))
    source = Source(hourly())
    schedules = Schedules([source], 60)
    before = schedules.overdue()
    source.error = ConnectionError("postgresql://app:hunter2@db")

    assert schedules.overdue() == before
    assert caplog.messages == ["the health server could not read the schedules: ConnectionError"]


def test_a_store_that_does_not_answer_is_not_waited_for(clock: VirtualClock) -> None:
    source = Source(hourly())
    source.hold.clear()
    schedules = Schedules([source], 60)
    found: list[list[str]] = []

    asks = threading.Thread(target=lambda: found.append(schedules.overdue()))
    asks.start()
    while not source.asked:
        pass
    clock._fire_until(1)
    asks.join(5)
    source.hold.set()

    assert found == [[]]
