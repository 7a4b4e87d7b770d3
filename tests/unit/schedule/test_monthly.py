from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tasker.schedule import Monthly, upcoming


def days(schedule: Monthly, after: str, n: int) -> list[str]:
    return [slot.isoformat()[:10] for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def test_each_month_has_a_slot_on_the_day() -> None:
    assert days(Monthly(1, 3, tz="UTC"), "2026-11-01T03:00:00+00:00", 3) == ["2026-12-01", "2027-01-01", "2027-02-01"]


def test_this_month_still_counts_before_the_day() -> None:
    assert days(Monthly(15, 3, tz="UTC"), "2026-01-14T23:00:00+00:00", 1) == ["2026-01-15"]


def test_a_short_month_has_its_slot_on_its_last_day() -> None:
    assert days(Monthly(31, tz="UTC"), "2028-01-31T00:00:00+00:00", 4) == [
        "2028-02-29",
        "2028-03-31",
        "2028-04-30",
        "2028-05-31",
    ]


def test_a_short_month_has_no_slot_with_skip() -> None:
    assert days(Monthly(31, tz="UTC", short_month="skip"), "2026-01-31T00:00:00+00:00", 3) == [
        "2026-03-31",
        "2026-05-31",
        "2026-07-31",
    ]


def test_a_negative_day_counts_from_the_end() -> None:
    assert days(Monthly(-1, tz="UTC"), "2026-01-01T00:00:00+00:00", 2) == ["2026-01-31", "2026-02-28"]
    assert days(Monthly(-3, tz="UTC"), "2026-01-01T00:00:00+00:00", 2) == ["2026-01-29", "2026-02-26"]


def test_a_negative_day_that_a_short_month_lacks_is_its_first_day_or_none() -> None:
    assert days(Monthly(-30, tz="UTC"), "2026-01-31T12:00:00+00:00", 2) == ["2026-02-01", "2026-03-02"]
    assert days(Monthly(-30, tz="UTC", short_month="skip"), "2026-01-31T12:00:00+00:00", 1) == ["2026-03-02"]


def test_a_skipped_time_is_a_slot_at_the_end_of_the_gap() -> None:
    monthly = Monthly(29, 2, 30, tz="Europe/Berlin")
    slot = monthly.next_after(datetime.fromisoformat("2026-03-01T00:00:00+01:00"))
    assert slot is not None
    assert slot.isoformat() == "2026-03-29T03:00:00+02:00"


def test_the_calendar_ends_with_the_year_9999() -> None:
    assert days(Monthly(31, tz="UTC"), "9999-11-30T00:00:00+00:00", 5) == ["9999-12-31"]
    assert days(Monthly(1, tz="UTC"), "9999-12-01T00:00:00+00:00", 5) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"day": 0}, ValueError, "day: expected 1 to 31, or -1 \\(the last\\) to -31, got 0"),
        ({"day": 32}, ValueError, "day: expected 1 to 31, or -1 \\(the last\\) to -31, got 32"),
        ({"day": -32}, ValueError, "day: expected 1 to 31, or -1 \\(the last\\) to -31, got -32"),
        ({"day": True}, TypeError, "day: expected 1 to 31, or -1 \\(the last\\) to -31, got True"),
        ({"day": "last"}, TypeError, "day: expected 1 to 31, or -1 \\(the last\\) to -31, got 'last'"),
        ({"day": 31, "short_month": "clip"}, ValueError, "short_month: expected 'last' or 'skip', got 'clip'"),
    ],
)
def test_bad_arguments_are_refused_when_built(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Monthly(**arguments, tz="UTC")


@pytest.mark.parametrize(
    ("monthly", "text"),
    [
        (Monthly(1, 3, tz="UTC"), "on the 1st of every month at 03:00 in UTC"),
        (Monthly(22, tz="UTC"), "on the 22nd of every month at 00:00 in UTC"),
        (Monthly(13, tz="UTC"), "on the 13th of every month at 00:00 in UTC"),
        (Monthly(-1, tz="UTC"), "on the last day of every month at 00:00 in UTC"),
        (Monthly(-2, tz="UTC"), "on the 2nd to last day of every month at 00:00 in UTC"),
        (Monthly(31, tz="UTC"), "on the 31st of every month (the last day of a shorter one) at 00:00 in UTC"),
        (
            Monthly(-29, tz="UTC"),
            "on the 29th to last day of every month (the first day of a shorter one) at 00:00 in UTC",
        ),
        (Monthly(31, tz="UTC", short_month="skip"), "on the 31st of every month that has one at 00:00 in UTC"),
    ],
)
def test_a_monthly_schedule_says_itself_as_a_person_would(monthly: Monthly, text: str) -> None:
    assert str(monthly) == text


@pytest.mark.parametrize("monthly", [Monthly(1), Monthly(-1, 3, 4, 5, "UTC", short_month="skip", gap="skip")])
def test_repr_gives_an_equal_schedule(monthly: Monthly) -> None:
    assert eval(repr(monthly), {"Monthly": Monthly}) == monthly


def test_the_day_and_the_rule_for_short_months_make_a_difference() -> None:
    assert Monthly(1, tz="UTC") != Monthly(2, tz="UTC")
    assert Monthly(31, tz="UTC") != Monthly(31, tz="UTC", short_month="skip")
