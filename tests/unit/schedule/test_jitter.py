from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import At, Cron, Daily, Interval, upcoming, with_salt

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_delay_of_a_slot_never_changes() -> None:
    # A literal: another value here would move the slots of every running service.
    backup = Daily(3, tz="UTC").jitter(3600, "backup")
    assert [slot.isoformat() for slot in upcoming(backup, 2, after=NEW_YEAR)] == [
        "2026-01-01T03:46:30.351948+00:00",
        "2026-01-02T03:03:36.825453+00:00",
    ]


def test_another_salt_gives_another_delay() -> None:
    assert Daily(3, tz="UTC").jitter(3600, "a").next_after(NEW_YEAR) != (
        Daily(3, tz="UTC").jitter(3600, "b").next_after(NEW_YEAR)
    )


def test_a_delay_never_reaches_the_next_slot() -> None:
    every_minute = Cron("* * * * *", "UTC").jitter(timedelta(days=1), "x")
    slots = upcoming(every_minute, 200, after=NEW_YEAR)
    minutes = [slot.replace(second=0, microsecond=0) for slot in slots]
    assert minutes == [minutes[0] + timedelta(minutes=number) for number in range(200)]


def test_delays_use_the_room_they_have() -> None:
    slots = upcoming(Daily(tz="UTC").jitter(3600), 300, after=NEW_YEAR)
    delays = [slot.minute * 60 + slot.second for slot in slots]
    assert min(delays) < 60
    assert max(delays) > 3540


def test_a_slot_that_is_moved_past_the_instant_is_still_to_come() -> None:
    moved = Daily(3, tz="UTC").jitter(3600, "id")
    slot = moved.next_after(NEW_YEAR)
    assert slot is not None
    assert moved.next_after(slot - timedelta(microseconds=1)) == slot
    assert moved.next_after(datetime(2026, 1, 1, 3, tzinfo=UTC)) == slot
    assert moved.next_after(slot) != slot


def test_a_long_delay_of_a_dense_schedule_asks_few_questions() -> None:
    asked = 0

    class Counting(Cron):
        def next_after(self, instant: datetime) -> datetime | None:
            nonlocal asked
            asked += 1
            return super().next_after(instant)

    assert Counting("* * * * * *", "UTC").jitter(timedelta(days=30)).next_after(NEW_YEAR) is not None
    assert asked < 60


def test_the_last_slot_is_moved_too() -> None:
    moved = At(NEW_YEAR).jitter(60, "id").next_after(NEW_YEAR)
    assert moved is not None
    assert NEW_YEAR < moved <= NEW_YEAR + timedelta(seconds=60)
    assert At(NEW_YEAR).jitter(60, "id").next_after(moved) is None


def test_the_last_of_a_burst_of_slots_is_still_to_come() -> None:
    burst = At(*(NEW_YEAR + timedelta(seconds=second) for second in range(9))).jitter(3600, "id")
    last = upcoming(burst, 9, after=NEW_YEAR - timedelta(seconds=1))[-1]
    assert last > NEW_YEAR + timedelta(minutes=1)
    assert burst.next_after(NEW_YEAR + timedelta(minutes=1)) == last


def test_an_interval_without_anchor_is_longer_by_the_delay() -> None:
    slot = Interval(hours=1).jitter(60, "id").next_after(NEW_YEAR)
    assert slot is not None
    assert timedelta(hours=1) <= slot - NEW_YEAR <= timedelta(hours=1, seconds=60)


def test_slots_come_back_in_the_zone_of_the_schedule() -> None:
    slot = Daily(2, 30, tz="Europe/Berlin").jitter(60).next_after(NEW_YEAR)
    assert slot is not None
    assert slot.tzinfo is ZoneInfo("Europe/Berlin")


def test_nothing_is_moved_past_the_year_9999() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert At(end).jitter(3600, "id").next_after(end - timedelta(microseconds=1)) in {None, end}


def test_the_calendar_before_the_year_1_is_not_asked_about() -> None:
    start = datetime.min.replace(tzinfo=UTC)
    slot = Daily(12, tz="UTC").jitter(timedelta(days=2)).next_after(start)
    assert slot is not None
    assert start < slot <= start + timedelta(days=2.5)


def test_the_scheduler_salts_what_has_no_salt() -> None:
    plain = Daily(tz="UTC").jitter(60)
    assert with_salt(plain, "id") == Daily(tz="UTC").jitter(60, "id")
    assert with_salt(Daily(tz="UTC").jitter(60, "mine"), "id") == Daily(tz="UTC").jitter(60, "mine")
    assert Interval(hours=1).jitter(60).jitter(5).with_salt("id") == Interval(hours=1).jitter(60, "id").jitter(5, "id")


@pytest.mark.parametrize(
    ("duration", "error", "message"),
    [
        (0, ValueError, "duration: expected a duration of more than zero, got 0"),
        (-1, ValueError, "duration: expected a duration of zero or more, got -1"),
        (1e-9, ValueError, "duration: expected at least a microsecond, got 1e-09"),
        (float("nan"), ValueError, "duration: expected a finite duration, got nan"),
        (True, TypeError, "duration: expected a timedelta or a number of seconds, got True"),
        ("1m", TypeError, "duration: expected a timedelta or a number of seconds, got '1m'"),
    ],
)
def test_a_duration_that_makes_no_sense_is_refused(duration: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Daily(tz="UTC").jitter(duration)


def test_a_salt_must_be_a_string() -> None:
    salt: Any = 5
    with pytest.raises(TypeError, match="salt: expected a string, got 5"):
        Daily(tz="UTC").jitter(60, salt)


def test_it_says_its_delay() -> None:
    assert str(Daily(3, tz="UTC").jitter(30)) == "every day at 03:00 in UTC, up to 30 seconds later"
    assert str(Daily(3, tz="UTC").jitter(0.5)) == "every day at 03:00 in UTC, up to 0.5 seconds later"


def test_repr_gives_an_equal_schedule() -> None:
    for moved in (Daily(3, tz="UTC").jitter(0.1), Daily(3, tz="UTC").jitter(timedelta(hours=1), "id")):
        assert eval(repr(moved), {"Daily": Daily}) == moved
