from __future__ import annotations

import datetime as dt
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import Interval

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_without_anchor_the_slot_is_the_instant_plus_the_interval() -> None:
    assert Interval(minutes=5).next_after(NOON) == datetime(2026, 1, 1, 12, 5, tzinfo=UTC)


def test_all_units_add_up() -> None:
    every = Interval(weeks=1, days=1, hours=1, minutes=1, seconds=1.5)
    assert every.interval == timedelta(days=8, hours=1, minutes=1, seconds=1.5)


def test_the_slot_comes_back_in_the_zone_of_the_instant() -> None:
    slot = Interval(hours=1).next_after(datetime(2026, 1, 1, 12, tzinfo=BERLIN))
    assert slot is not None
    assert slot.isoformat() == "2026-01-01T13:00:00+01:00"
    assert slot.tzinfo is BERLIN


def test_an_interval_is_elapsed_time_when_the_clocks_go_forward() -> None:
    slot = Interval(hours=24).next_after(datetime(2026, 3, 28, 12, tzinfo=BERLIN))
    assert slot is not None
    assert slot.isoformat() == "2026-03-29T13:00:00+02:00"


def test_an_interval_is_elapsed_time_inside_a_repeated_hour() -> None:
    slot = Interval(minutes=30).next_after(datetime(2026, 10, 25, 2, 45, tzinfo=BERLIN))
    assert slot is not None
    assert slot.isoformat() == "2026-10-25T02:15:00+01:00"


@pytest.mark.parametrize(
    ("after", "slot"),
    [
        ("2026-01-01T11:59:59.999999+00:00", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01T12:00:00+00:00", "2026-01-01T12:07:00+00:00"),
        ("2026-01-01T12:06:59.999999+00:00", "2026-01-01T12:07:00+00:00"),
        ("2026-01-01T11:52:00+00:00", "2026-01-01T11:53:00+00:00"),
        ("1969-12-31T23:59:00+00:00", "1970-01-01T00:06:00+00:00"),
    ],
)
def test_with_an_anchor_the_slots_are_its_multiples_on_both_sides(after: str, slot: str) -> None:
    found = Interval(minutes=7, anchor=NOON).next_after(datetime.fromisoformat(after))
    assert found is not None
    assert found.isoformat() == slot


def test_an_anchored_interval_is_exact_after_many_years() -> None:
    every = Interval(seconds=0.1, anchor=datetime(1970, 1, 1, tzinfo=UTC))
    assert every.next_after(datetime(2525, 1, 1, tzinfo=UTC)) == datetime(2525, 1, 1, 0, 0, 0, 100_000, tzinfo=UTC)


def test_only_an_interval_without_anchor_counts_from_the_last_run() -> None:
    assert Interval(days=1).counts_from_last_run
    assert not Interval(days=1, anchor=NOON).counts_from_last_run
    assert Interval(days=1, anchor=NOON).anchor is NOON
    assert Interval(days=1).anchor is None


def test_there_is_no_slot_after_the_year_9999() -> None:
    assert Interval(days=2).next_after(datetime(9999, 12, 31, tzinfo=UTC)) is None
    assert Interval(days=2, anchor=NOON).next_after(datetime(9999, 12, 31, 12, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "interval: expected at least a microsecond in all, got 0"),
        ({"seconds": 0}, "interval: expected at least a microsecond in all, got 0"),
        ({"seconds": 1e-9}, "interval: expected at least a microsecond in all, got seconds=1e-09"),
        ({"minutes": -5}, "minutes: expected a finite number of zero or more, got -5"),
        ({"hours": float("nan")}, "hours: expected a finite number of zero or more, got nan"),
        ({"hours": float("inf")}, "hours: expected a finite number of zero or more, got inf"),
        ({"weeks": 10**9}, "interval: expected less than 999999999 days, got weeks=1000000000"),
        ({"days": 1, "anchor": datetime(2026, 1, 1)}, "anchor: expected an aware datetime"),  # noqa: DTZ001
    ],
)
def test_an_interval_that_makes_no_sense_is_a_value_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        Interval(**arguments)


@pytest.mark.parametrize("amount", [True, "5", None, timedelta(seconds=5)])
def test_an_amount_that_is_no_number_is_a_type_error(amount: Any) -> None:
    with pytest.raises(TypeError, match="seconds: expected a number, got"):
        Interval(seconds=amount)


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="instant: expected an aware datetime"):
        Interval(seconds=1).next_after(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("every", "text"),
    [
        (Interval(seconds=1), "every second"),
        (Interval(minutes=5), "every 5 minutes"),
        (Interval(hours=1, minutes=30), "every 90 minutes"),
        (Interval(days=7), "every week"),
        (Interval(days=8), "every 8 days"),
        (Interval(seconds=0.25), "every 0.25 seconds"),
        (Interval(hours=6, anchor=NOON), "every 6 hours, counted from 2026-01-01 12:00 UTC"),
    ],
)
def test_an_interval_says_itself_as_a_person_would(every: Interval, text: str) -> None:
    assert str(every) == text


@pytest.mark.parametrize(
    "every", [Interval(minutes=90), Interval(seconds=0.1), Interval(weeks=2), Interval(days=1, anchor=NOON)]
)
def test_repr_and_pickle_give_an_equal_interval(every: Interval) -> None:
    assert eval(repr(every), {"Interval": Interval, "datetime": dt}) == every
    assert pickle.loads(pickle.dumps(every)) == every


def test_intervals_of_the_same_length_are_equal() -> None:
    assert Interval(minutes=60) == Interval(hours=1)
    assert hash(Interval(minutes=60)) == hash(Interval(hours=1))
    assert Interval(minutes=60) != Interval(minutes=60, anchor=NOON)
    assert Interval(hours=1, anchor=NOON) == Interval(hours=1, anchor=NOON.astimezone(BERLIN))
