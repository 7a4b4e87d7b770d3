from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tasker.schedule import Weekly, upcoming


def slots(schedule: Weekly, after: str, n: int) -> list[str]:
    return [slot.isoformat() for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def test_each_wanted_weekday_has_a_slot() -> None:
    # 2026-01-01 is a Thursday.
    assert slots(Weekly(("mon", "fri"), 8, 30, tz="UTC"), "2026-01-01T00:00:00+00:00", 4) == [
        "2026-01-02T08:30:00+00:00",
        "2026-01-05T08:30:00+00:00",
        "2026-01-09T08:30:00+00:00",
        "2026-01-12T08:30:00+00:00",
    ]


def test_one_weekday_comes_back_after_a_week() -> None:
    assert slots(Weekly("thu", 12, tz="UTC"), "2026-01-01T12:00:00+00:00", 1) == ["2026-01-08T12:00:00+00:00"]


def test_the_time_of_today_still_counts() -> None:
    assert slots(Weekly("thu", 12, tz="UTC"), "2026-01-01T11:59:59+00:00", 1) == ["2026-01-01T12:00:00+00:00"]


def test_a_skipped_time_is_a_slot_at_the_end_of_the_gap() -> None:
    assert slots(Weekly("sun", 2, 30, tz="Europe/Berlin"), "2026-03-28T00:00:00+01:00", 1) == [
        "2026-03-29T03:00:00+02:00"
    ]


@pytest.mark.parametrize("weekday", ["mon", "Monday", " MON ", 0, ["mon"], {0}, ("mon", 0, "monday")])
def test_a_weekday_has_several_spellings(weekday: Any) -> None:
    assert Weekly(weekday, tz="UTC") == Weekly("mon", tz="UTC")


@pytest.mark.parametrize(
    ("weekday", "error", "message"),
    [
        ("moon", ValueError, "weekday: expected mon, tue, wed, thu, fri, sat, sun or a full name, got 'moon'"),
        (7, ValueError, "weekday: expected a whole number from 0 to 6, got 7"),
        ((), ValueError, "weekday: expected at least one weekday, got none"),
        (True, TypeError, "weekday: expected a whole number from 0 to 6, got True"),
        (None, TypeError, "weekday: expected weekdays, each a name or 0 to 6, got None"),
        ([1.5], TypeError, "weekday: expected weekdays, each a name or 0 to 6, got \\[1.5\\]"),
    ],
)
def test_what_is_no_weekday_is_refused(weekday: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Weekly(weekday, tz="UTC")


@pytest.mark.parametrize(
    ("weekdays", "text"),
    [
        ("mon", "every Monday at 08:30 in Europe/Berlin"),
        (range(5), "every weekday at 08:30 in Europe/Berlin"),
        (range(7), "every day at 08:30 in Europe/Berlin"),
        (("sun", "sat", "wed"), "every Wednesday, Saturday, and Sunday at 08:30 in Europe/Berlin"),
    ],
)
def test_a_weekly_schedule_says_itself_as_a_person_would(weekdays: Any, text: str) -> None:
    assert str(Weekly(weekdays, 8, 30, tz="Europe/Berlin")) == text


@pytest.mark.parametrize("weekdays", ["mon", ("mon", "fri"), range(7)])
def test_repr_gives_an_equal_schedule(weekdays: Any) -> None:
    weekly = Weekly(weekdays, 8, 30, tz="Europe/Berlin", fold="second")
    assert eval(repr(weekly), {"Weekly": Weekly}) == weekly
