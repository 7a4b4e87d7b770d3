from __future__ import annotations

import datetime as dt
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import Cron, Daily, Interval, upcoming

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
CHRISTMAS = [date(2026, 12, 25), date(2026, 12, 26)]


def slots(schedule: Any, after: str, n: int) -> list[str]:
    return [slot.isoformat() for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def test_the_dates_have_no_slots() -> None:
    assert slots(Daily(3, tz="UTC").except_on(CHRISTMAS), "2026-12-24T00:00:00+00:00", 2) == [
        "2026-12-24T03:00:00+00:00",
        "2026-12-27T03:00:00+00:00",
    ]


def test_one_date_needs_no_list() -> None:
    assert Daily(tz="UTC").except_on(CHRISTMAS[0]) == Daily(tz="UTC").except_on([CHRISTMAS[0]])


def test_a_date_is_read_in_the_zone_of_the_schedule() -> None:
    early = Daily(0, 30, tz="Europe/Berlin").except_on(date(2026, 7, 2))
    assert slots(early, "2026-07-01T12:00:00+00:00", 1) == ["2026-07-03T00:30:00+02:00"]


def test_many_slots_on_a_date_are_passed_at_once() -> None:
    asked = 0

    class Counting(Cron):
        def next_after(self, instant: datetime) -> datetime | None:
            nonlocal asked
            asked += 1
            return super().next_after(instant)

    dates = [date(2026, 1, day) for day in range(1, 11)]
    [slot] = slots(Counting("* * * * * *", "UTC").except_on(dates), "2025-12-31T23:59:59+00:00", 1)
    assert slot == "2026-01-11T00:00:00+00:00"
    assert asked == 11


def test_an_interval_without_anchor_is_due_when_the_date_is_over() -> None:
    hourly = Interval(hours=1).except_on(CHRISTMAS)
    assert slots(hourly, "2026-12-24T23:30:00+00:00", 1) == ["2026-12-27T00:00:00+00:00"]


def test_no_slot_is_lost_when_the_clocks_skip_midnight() -> None:
    # Lebanon goes from 00:00 to 01:00; Newfoundland went from 00:01 to 01:01.
    assert slots(Cron("* * * * *", "Asia/Beirut").except_on(date(2026, 3, 28)), "2026-03-28T12:00:00+02:00", 1) == [
        "2026-03-29T01:00:00+03:00"
    ]
    assert slots(Cron("* * * * *", "America/St_Johns").except_on(date(2009, 3, 7)), "2009-03-07T12:00:00-03:30", 2) == [
        "2009-03-08T00:00:00-03:30",
        "2009-03-08T01:01:00-02:30",
    ]


def test_no_slot_is_lost_when_the_clocks_go_back_over_midnight() -> None:
    saved = Cron("*/30 * * * *", "America/St_Johns").except_on(date(2009, 11, 1))
    assert slots(saved, "2009-10-31T23:30:00-02:30", 3) == [
        "2009-10-31T23:30:00-03:30",
        "2009-11-02T00:00:00-03:30",
        "2009-11-02T00:30:00-03:30",
    ]


def test_the_last_date_there_is_may_be_excepted() -> None:
    assert slots(Daily(tz="UTC").except_on(date(9999, 12, 31)), "9999-12-30T12:00:00+00:00", 1) == []


@pytest.mark.parametrize("dates", [["2026-12-25"], [NEW_YEAR], NEW_YEAR, [None]])
def test_what_is_no_date_is_refused(dates: Any) -> None:
    with pytest.raises(TypeError, match="dates: expected dates without a time of day, got"):
        Daily(tz="UTC").except_on(dates)


def test_it_says_its_dates_and_counts_them_when_they_are_many() -> None:
    daily = Daily(3, tz="UTC")
    assert str(daily.except_on(CHRISTMAS)) == "every day at 03:00 in UTC, except on 2026-12-25 and 2026-12-26"
    assert str(daily.except_on([date(2026, 1, day) for day in range(1, 9)])) == (
        "every day at 03:00 in UTC, except on 8 dates"
    )


def test_repr_gives_an_equal_schedule() -> None:
    workdays = Daily(3, tz="UTC").except_on(CHRISTMAS)
    assert eval(repr(workdays), {"Daily": Daily, "datetime": dt}) == workdays
    assert workdays != Daily(3, tz="UTC").except_on(CHRISTMAS[:1])


def test_a_salt_reaches_the_schedule_inside() -> None:
    inside = Daily(tz="UTC").jitter(60)
    assert inside.except_on(CHRISTMAS).with_salt("id") == inside.with_salt("id").except_on(CHRISTMAS)


def test_an_instant_of_another_zone_gives_the_same_slot() -> None:
    daily = Daily(3, tz="UTC").except_on(CHRISTMAS)
    tokyo = datetime(2026, 12, 25, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert daily.next_after(tokyo) == datetime(2026, 12, 27, 3, tzinfo=UTC)
