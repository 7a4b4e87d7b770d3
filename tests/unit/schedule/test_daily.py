from __future__ import annotations

import datetime as dt
import pickle
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tasker.schedule import Daily, upcoming


def slots(schedule: Daily, after: str, n: int) -> list[str]:
    return [slot.isoformat() for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def test_every_day_has_one_slot_at_the_time() -> None:
    assert slots(Daily(12, 30, 15, "UTC"), "2026-02-27T12:30:15+00:00", 3) == [
        "2026-02-28T12:30:15+00:00",
        "2026-03-01T12:30:15+00:00",
        "2026-03-02T12:30:15+00:00",
    ]


def test_a_slot_is_strictly_later_by_a_microsecond_too() -> None:
    assert slots(Daily(12, tz="UTC"), "2026-01-01T11:59:59.999999+00:00", 1) == ["2026-01-01T12:00:00+00:00"]
    assert slots(Daily(12, tz="UTC"), "2026-01-01T12:00:00.000001+00:00", 1) == ["2026-01-02T12:00:00+00:00"]


def test_the_instant_may_be_in_any_zone() -> None:
    assert slots(Daily(3, tz="Europe/Berlin"), "2026-07-01T23:30:00-04:00", 1) == ["2026-07-03T03:00:00+02:00"]


def test_the_time_stays_the_same_on_the_wall_when_the_offset_changes() -> None:
    assert slots(Daily(12, tz="Europe/Berlin"), "2026-03-28T00:00:00+01:00", 2) == [
        "2026-03-28T12:00:00+01:00",
        "2026-03-29T12:00:00+02:00",
    ]


def test_a_time_that_the_clocks_skip_is_a_slot_at_the_end_of_the_gap() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin"), "2026-03-28T12:00:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_the_clocks_skip_is_no_slot_with_gap_skip() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin", gap="skip"), "2026-03-28T12:00:00+01:00", 1) == [
        "2026-03-30T02:30:00+02:00"
    ]


def test_a_time_that_the_clocks_repeat_is_a_slot_the_first_time() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin"), "2026-10-24T12:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_slot_later_in_the_first_pass_is_still_to_come() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin"), "2026-10-25T02:10:00+02:00", 1) == ["2026-10-25T02:30:00+02:00"]


def test_a_time_that_the_clocks_repeat_is_a_slot_the_second_time_with_fold_second() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin", fold="second"), "2026-10-25T02:10:00+02:00", 2) == [
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_time_that_the_clocks_repeat_is_two_slots_with_fold_both() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin", fold="both"), "2026-10-24T12:00:00+02:00", 3) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_restart_in_the_repeated_hour_does_not_fire_again() -> None:
    assert slots(Daily(2, 30, tz="Europe/Berlin"), "2026-10-25T02:10:00+01:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_both_passes_are_found_from_the_first_pass_on() -> None:
    both = Daily(2, 30, tz="Europe/Berlin", fold="both")
    assert slots(both, "2026-10-25T02:45:00+02:00", 1) == ["2026-10-25T02:30:00+01:00"]
    assert slots(both, "2026-10-25T02:45:00+01:00", 1) == ["2026-10-26T02:30:00+01:00"]


def test_a_repeated_hour_around_midnight_belongs_to_two_dates() -> None:
    # Newfoundland went back from 00:01 to 23:01 of the day before.
    both = Daily(23, 30, tz="America/St_Johns", fold="both")
    assert slots(both, "2009-10-31T12:00:00-02:30", 3) == [
        "2009-10-31T23:30:00-02:30",
        "2009-10-31T23:30:00-03:30",
        "2009-11-01T23:30:00-03:30",
    ]
    assert slots(Daily(tz="America/St_Johns"), "2009-10-31T23:30:00-02:30", 2) == [
        "2009-11-01T00:00:00-02:30",
        "2009-11-02T00:00:00-03:30",
    ]


def test_a_change_of_half_an_hour_is_followed() -> None:
    assert slots(Daily(2, 15, tz="Australia/Lord_Howe"), "2026-10-03T12:00:00+10:30", 1) == [
        "2026-10-04T02:30:00+11:00"
    ]


def test_a_date_that_does_not_exist_is_a_slot_at_its_end() -> None:
    # Samoa had no December 30 in 2011.
    assert slots(Daily(12, tz="Pacific/Apia"), "2011-12-29T12:00:00-10:00", 2) == [
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T12:00:00+14:00",
    ]


def test_slots_that_coincide_are_one() -> None:
    assert slots(Daily(tz="Pacific/Apia"), "2011-12-29T00:00:00-10:00", 2) == [
        "2011-12-31T00:00:00+14:00",
        "2012-01-01T00:00:00+14:00",
    ]


def test_a_fixed_offset_is_a_zone() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert slots(Daily(6, tz=india), "2026-01-01T01:00:00+00:00", 1) == ["2026-01-02T06:00:00+05:30"]


def test_a_calendar_ends_with_the_year_9999() -> None:
    assert slots(Daily(12, tz="UTC"), "9999-12-31T11:00:00+00:00", 5) == ["9999-12-31T12:00:00+00:00"]
    assert slots(Daily(23, tz="America/New_York"), "9999-12-30T12:00:00-05:00", 5) == ["9999-12-30T23:00:00-05:00"]
    assert Daily(tz="Pacific/Auckland").next_after(datetime.max.replace(tzinfo=UTC)) is None


def test_a_calendar_begins_with_the_year_1() -> None:
    slot = Daily(12, tz="America/New_York").next_after(datetime.min.replace(tzinfo=UTC))
    assert slot is not None
    assert (slot.year, slot.month, slot.day, slot.hour) == (1, 1, 1, 12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hour": 24}, ValueError, "hour: expected a whole number from 0 to 23, got 24; write 0 for it"),
        ({"hour": -1}, ValueError, "hour: expected a whole number from 0 to 23, got -1"),
        ({"minute": 60}, ValueError, "minute: expected a whole number from 0 to 59, got 60; write 0 for it"),
        ({"second": 61}, ValueError, "second: expected a whole number from 0 to 59, got 61"),
        ({"hour": 3.0}, TypeError, "hour: expected a whole number from 0 to 23, got 3.0"),
        ({"hour": True}, TypeError, "hour: expected a whole number from 0 to 23, got True"),
        ({"gap": "first"}, ValueError, "gap: expected 'shift' or 'skip', got 'first'"),
        ({"fold": None}, ValueError, "fold: expected 'first' or 'second' or 'both', got None"),
        ({"tz": 2}, TypeError, "tz: expected the name of a time zone, a tzinfo or None, got 2"),
    ],
)
def test_bad_arguments_are_refused_when_built(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Daily(**arguments)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="instant: expected an aware datetime"):
        Daily(tz="UTC").next_after(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("daily", "text"),
    [
        (Daily(tz="UTC"), "every day at 00:00 in UTC"),
        (Daily(8, 30, 5, "Europe/Berlin"), "every day at 08:30:05 in Europe/Berlin"),
        (Daily(3), "every day at 03:00 in local time"),
        (Daily(3, tz=timezone(timedelta(hours=2))), "every day at 03:00 in UTC+02:00"),
        (Daily(3, tz="UTC", gap="skip"), "every day at 03:00 in UTC, not if the clocks skip it"),
        (Daily(3, tz="UTC", fold="both"), "every day at 03:00 in UTC, twice if the clocks repeat it"),
    ],
)
def test_a_daily_schedule_says_itself_as_a_person_would(daily: Daily, text: str) -> None:
    assert str(daily) == text


@pytest.mark.parametrize(
    "daily",
    [
        Daily(),
        Daily(3, 4, 5, "Europe/Berlin"),
        Daily(3, tz=zoneinfo.ZoneInfo("Asia/Tokyo"), gap="skip", fold="both"),
        Daily(3, tz=UTC),
        Daily(3, tz=timezone(timedelta(hours=2))),
    ],
)
def test_repr_and_pickle_give_an_equal_schedule(daily: Daily) -> None:
    assert eval(repr(daily), {"Daily": Daily, "datetime": dt, "zoneinfo": zoneinfo}) == daily
    assert pickle.loads(pickle.dumps(daily)) == daily


def test_schedules_with_the_same_slots_are_equal() -> None:
    assert Daily(3, tz="Europe/Berlin") == Daily(3, tz=zoneinfo.ZoneInfo("Europe/Berlin"))
    assert len({Daily(3, tz="UTC"), Daily(3, tz=UTC), Daily(4, tz=UTC)}) == 2
    assert Daily(3, tz="UTC") != Daily(3, tz="UTC", fold="both")
    assert Daily(3, tz="UTC") != "every day at 03:00 in UTC"
