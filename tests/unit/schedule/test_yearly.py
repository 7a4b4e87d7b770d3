from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tasker.schedule import Yearly, upcoming


def days(schedule: Yearly, after: str, n: int) -> list[str]:
    return [slot.isoformat()[:10] for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def test_each_year_has_a_slot_on_the_date() -> None:
    assert days(Yearly(12, 24, 18, tz="UTC"), "2026-12-24T17:59:59+00:00", 2) == ["2026-12-24", "2027-12-24"]


def test_the_date_of_this_year_may_be_over() -> None:
    assert days(Yearly(3, 1, tz="UTC"), "2026-03-01T00:00:00+00:00", 1) == ["2027-03-01"]


def test_february_29_is_february_28_in_a_common_year() -> None:
    assert days(Yearly(2, 29, tz="UTC"), "2026-01-01T00:00:00+00:00", 3) == ["2026-02-28", "2027-02-28", "2028-02-29"]


def test_february_29_is_left_out_of_common_years_with_skip() -> None:
    leap = Yearly(2, 29, tz="UTC", short_month="skip")
    assert days(leap, "2095-01-01T00:00:00+00:00", 2) == ["2096-02-29", "2104-02-29"]


def test_a_negative_day_counts_from_the_end_of_the_month() -> None:
    assert days(Yearly("feb", -1, tz="UTC"), "2027-01-01T00:00:00+00:00", 2) == ["2027-02-28", "2028-02-29"]


def test_the_calendar_ends_with_the_year_9999() -> None:
    assert days(Yearly(2, 29, tz="UTC", short_month="skip"), "9996-02-29T00:00:00+00:00", 1) == []


@pytest.mark.parametrize("month", [12, "dec", "December", "DEC"])
def test_a_month_has_several_spellings(month: Any) -> None:
    assert Yearly(month, 24, tz="UTC") == Yearly(12, 24, tz="UTC")


@pytest.mark.parametrize(
    ("month", "day", "error", "message"),
    [
        (13, 1, ValueError, "month: expected a whole number from 1 to 12, got 13"),
        ("decembre", 1, ValueError, "month: expected 1 to 12, jan to dec or a full name, got 'decembre'"),
        (4, 31, ValueError, "day: expected 1 to 30, .*, got 31; the month is April"),
        (2, 30, ValueError, "day: expected 1 to 29, .*, got 30; the month is February"),
        (1, "1", TypeError, "day: expected 1 to 31, .*, got '1'"),
    ],
)
def test_a_date_that_never_comes_is_refused(month: Any, day: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Yearly(month, day, tz="UTC")


@pytest.mark.parametrize(
    ("yearly", "text"),
    [
        (Yearly(12, 24, 18, tz="UTC"), "every December 24 at 18:00 in UTC"),
        (Yearly(2, 29, tz="UTC"), "every February 29 (28 when there is none) at 00:00 in UTC"),
        (Yearly(2, 29, tz="UTC", short_month="skip"), "every February 29 there is at 00:00 in UTC"),
        (Yearly(12, -1, tz="UTC"), "every year on the last day of December at 00:00 in UTC"),
    ],
)
def test_a_yearly_schedule_says_itself_as_a_person_would(yearly: Yearly, text: str) -> None:
    assert str(yearly) == text


@pytest.mark.parametrize("yearly", [Yearly(12, 24), Yearly(2, 29, 1, 2, 3, "UTC", short_month="skip")])
def test_repr_gives_an_equal_schedule(yearly: Yearly) -> None:
    assert eval(repr(yearly), {"Yearly": Yearly}) == yearly
