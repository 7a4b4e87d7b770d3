from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import Daily, Interval, upcoming

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY_3 = datetime(2026, 1, 3, tzinfo=UTC)


def test_the_start_belongs_to_the_window_and_the_end_does_not() -> None:
    days = upcoming(Daily(tz="UTC").between(NEW_YEAR, JANUARY_3), 9, after=datetime(2020, 1, 1, tzinfo=UTC))
    assert days == [NEW_YEAR, datetime(2026, 1, 2, tzinfo=UTC)]


def test_an_open_window_has_no_start_or_no_end() -> None:
    assert Daily(tz="UTC").between(None, JANUARY_3).next_after(JANUARY_3) is None
    assert Daily(tz="UTC").between(NEW_YEAR, None).next_after(datetime(2020, 1, 1, tzinfo=UTC)) == NEW_YEAR
    assert Daily(tz="UTC").between(None, None).next_after(NEW_YEAR) == datetime(2026, 1, 2, tzinfo=UTC)


def test_an_interval_without_anchor_is_due_when_the_window_opens() -> None:
    hourly = Interval(hours=1).between(NEW_YEAR, None)
    assert hourly.next_after(datetime(2025, 12, 31, 12, tzinfo=UTC)) == NEW_YEAR
    assert hourly.next_after(datetime(2025, 12, 31, 23, 30, tzinfo=UTC)) == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "error", "message"),
    [
        (JANUARY_3, NEW_YEAR, ValueError, "end: expected an instant later than start, 2026-01-03 .*, got 2026-01-01"),
        (NEW_YEAR, NEW_YEAR, ValueError, "end: expected an instant later than start"),
        (datetime(2026, 1, 1), None, ValueError, "start: expected an aware datetime"),  # noqa: DTZ001
        (None, "2026", TypeError, "end: expected an aware datetime, got '2026'"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(start: Any, end: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Daily(tz="UTC").between(start, end)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="instant: expected an aware datetime"):
        Daily(tz="UTC").between(NEW_YEAR, None).next_after(datetime(2026, 1, 1))  # noqa: DTZ001


def test_it_says_its_limits() -> None:
    daily = Daily(3, tz="UTC")
    assert str(daily.between(NEW_YEAR, JANUARY_3)) == (
        "every day at 03:00 in UTC, from 2026-01-01 00:00 UTC, until 2026-01-03 00:00 UTC"
    )
    assert str(daily.between(None, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))) == (
        "every day at 03:00 in UTC, until 2026-01-01 00:00:05 UTC"
    )


def test_repr_gives_an_equal_schedule() -> None:
    window = Daily(3, tz="UTC").between(NEW_YEAR, None)
    assert eval(repr(window), {"Daily": Daily, "datetime": dt}) == window
    assert window == Daily(3, tz="UTC").between(NEW_YEAR.astimezone(ZoneInfo("Asia/Tokyo")), None)
    assert window != Daily(3, tz="UTC").between(None, NEW_YEAR)


def test_a_salt_reaches_the_schedule_inside() -> None:
    inside = Daily(tz="UTC").jitter(60)
    assert inside.between(NEW_YEAR, None).with_salt("id") == inside.with_salt("id").between(NEW_YEAR, None)
