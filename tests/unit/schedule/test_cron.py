from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from tasker.schedule import Cron, upcoming


def slots(schedule: Cron, after: str, n: int) -> list[str]:
    return [slot.isoformat() for slot in upcoming(schedule, n, after=datetime.fromisoformat(after))]


def days(expression: str, after: str, n: int) -> list[str]:
    return [slot[:10] for slot in slots(Cron(expression, "UTC"), f"{after}T00:00:00+00:00", n)]


def test_a_step_in_the_minutes_crosses_hours_and_days() -> None:
    assert slots(Cron("*/20 * * * *", "UTC"), "2026-12-31T23:20:00+00:00", 3) == [
        "2026-12-31T23:40:00+00:00",
        "2027-01-01T00:00:00+00:00",
        "2027-01-01T00:20:00+00:00",
    ]


def test_seconds_may_stand_in_front() -> None:
    assert slots(Cron("15,45 30 8 * * *", "UTC"), "2026-01-01T08:30:15+00:00", 2) == [
        "2026-01-01T08:30:45+00:00",
        "2026-01-02T08:30:15+00:00",
    ]


def test_february_29_comes_back_after_2100_too() -> None:
    assert days("0 0 29 2 *", "2092-01-01", 3) == ["2092-02-29", "2096-02-29", "2104-02-29"]


def test_a_february_29_on_a_sunday_is_found_after_40_years() -> None:
    assert days("0 0 29 2 */7", "2088-03-01", 1) == ["2128-02-29"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 L * *", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("0 0 L-2 * *", ["2026-01-29", "2026-02-26", "2026-03-29"]),
        ("0 0 LW * *", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("0 0 1W * *", ["2026-01-01", "2026-02-02", "2026-03-02"]),
        ("0 0 31W * *", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("0 0 * * 5#2", ["2026-01-09", "2026-02-13", "2026-03-13"]),
        ("0 0 * * sun#5", ["2026-03-29", "2026-05-31", "2026-08-30"]),
        ("0 0 * * friL", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 1 jan-mar *", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("0 0 1 nov-jan *", ["2026-01-01", "2026-11-01", "2026-12-01"]),
        ("0 0 * * sat-mon", ["2026-01-03", "2026-01-04", "2026-01-05"]),
        ("0 0 * * 7", ["2026-01-04", "2026-01-11", "2026-01-18"]),
        ("@monthly", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("@YEARLY", ["2026-01-01", "2027-01-01", "2028-01-01"]),
    ],
)
def test_days_are_named_in_many_ways(expression: str, expected: list[str]) -> None:
    assert days(expression, "2025-12-31", 3) == expected


def test_one_of_two_day_fields_is_enough() -> None:
    # 2026-01-01 is a Thursday.
    assert days("0 0 13 * fri", "2026-01-01", 4) == ["2026-01-02", "2026-01-09", "2026-01-13", "2026-01-16"]


def test_both_day_fields_must_match_if_one_starts_with_a_star() -> None:
    assert days("0 0 */2 * sun", "2026-01-01", 3) == ["2026-01-11", "2026-01-25", "2026-02-01"]
    assert days("0 0 1-7 * */7", "2026-01-01", 3) == ["2026-01-04", "2026-02-01", "2026-03-01"]


def test_a_fixed_time_in_a_gap_is_a_slot_at_its_end() -> None:
    assert slots(Cron("30 2 * * *", "Europe/Berlin"), "2026-03-29T00:00:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_fixed_time_in_an_overlap_is_a_slot_once() -> None:
    assert slots(Cron("30 2 * * *", "Europe/Berlin"), "2026-10-25T00:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_star_follows_the_clock_through_the_gap() -> None:
    assert slots(Cron("30 * * * *", "Europe/Berlin"), "2026-03-29T01:00:00+01:00", 2) == [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:30:00+02:00",
    ]


def test_a_star_follows_the_clock_through_both_passes() -> None:
    assert slots(Cron("*/30 2 * * *", "Europe/Berlin"), "2026-10-25T00:00:00+02:00", 5) == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-26T02:00:00+01:00",
    ]


def test_a_range_follows_the_clock_only_beside_seconds() -> None:
    assert slots(Cron("30 1-2 * * *", "Europe/Berlin"), "2026-10-25T02:30:00+02:00", 1) == ["2026-10-26T01:30:00+01:00"]
    assert slots(Cron("0 30 1-2 * * *", "Europe/Berlin"), "2026-10-25T02:30:00+02:00", 1) == [
        "2026-10-25T02:30:00+01:00"
    ]


def test_a_question_mark_follows_the_clock_beside_seconds() -> None:
    assert slots(Cron("0 30 2 * * ?", "Europe/Berlin"), "2026-03-29T00:00:00+01:00", 1) == ["2026-03-30T02:30:00+02:00"]
    assert slots(Cron("30 2 * * ?", "Europe/Berlin"), "2026-03-29T00:00:00+01:00", 1) == ["2026-03-29T03:00:00+02:00"]


def test_gap_and_fold_overrule_what_is_usual() -> None:
    assert slots(Cron("30 2 * * *", "Europe/Berlin", gap="skip"), "2026-03-29T00:00:00+01:00", 1) == [
        "2026-03-30T02:30:00+02:00"
    ]
    assert slots(Cron("30 * * * *", "Europe/Berlin", gap="shift"), "2026-03-29T01:30:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
    ]
    assert slots(Cron("30 2 * * *", "Europe/Berlin", fold="both"), "2026-10-25T02:30:00+02:00", 1) == [
        "2026-10-25T02:30:00+01:00"
    ]
    assert slots(Cron("*/30 * * * *", "Europe/Berlin", fold="first"), "2026-10-25T02:30:00+02:00", 1) == [
        "2026-10-25T03:00:00+01:00"
    ]
    assert slots(Cron("*/30 * * * *", "Europe/Berlin", fold="second"), "2026-10-25T01:30:00+02:00", 1) == [
        "2026-10-25T02:00:00+01:00"
    ]


def test_an_overlap_without_a_wanted_time_is_passed() -> None:
    assert slots(Cron("*/30 2 25 10 *", "Europe/Berlin"), "2026-10-25T02:30:00+01:00", 1) == [
        "2027-10-25T02:00:00+02:00"
    ]
    assert slots(Cron("*/30 2 25 10 *", "Europe/Berlin"), "2026-10-25T02:40:00+02:00", 1) == [
        "2026-10-25T02:00:00+01:00"
    ]


def test_the_calendar_ends_with_the_year_9999() -> None:
    assert slots(Cron("0 0 29 2 *", "UTC"), "9996-03-01T00:00:00+00:00", 3) == []
    assert slots(Cron("59 23 31 12 *", "UTC"), "9999-01-01T00:00:00+00:00", 3) == ["9999-12-31T23:59:00+00:00"]


def test_a_skipped_time_may_have_been_the_last() -> None:
    last = Cron("30 2 28 3 *", "Europe/Berlin", gap="skip")
    assert slots(last, "9998-03-28T12:00:00+01:00", 3) == []


def test_the_expression_is_kept() -> None:
    assert Cron(" 0  12 * *\t* ", "UTC").expression == "0 12 * * *"


@pytest.mark.parametrize(
    "cron",
    [Cron("*/5 * * * *"), Cron("0 12 * * *", "Europe/Berlin", gap="skip"), Cron("* * * * *", "UTC", fold="first")],
)
def test_repr_and_pickle_give_an_equal_schedule(cron: Cron) -> None:
    assert eval(repr(cron), {"Cron": Cron}) == cron
    assert pickle.loads(pickle.dumps(cron)) == cron


def test_repr_shows_only_the_rules_that_were_chosen() -> None:
    assert repr(Cron("* * * * *", "UTC", gap="skip", fold="first")) == "Cron('* * * * *', tz='UTC', fold='first')"


def test_expressions_that_mean_the_same_are_equal() -> None:
    assert Cron("@daily", "UTC") == Cron("0 0 * * *", "UTC")
    assert Cron("0 0 * * 7", UTC) == Cron("0 0 * * sun", "UTC")
    assert Cron("0 0 * * *", "UTC") != Cron("0 0 * * *", "Europe/Berlin")


@pytest.mark.parametrize("expression", [None, 5, b"* * * * *", ["*"] * 5])
def test_an_expression_that_is_no_string_is_a_type_error(expression: Any) -> None:
    with pytest.raises(TypeError, match="expression: expected a string such as"):
        Cron(expression)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="instant: expected an aware datetime"):
        Cron("* * * * *", "UTC").next_after(datetime(2026, 1, 1))  # noqa: DTZ001
