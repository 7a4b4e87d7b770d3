from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import At, upcoming

FIRST = datetime(2026, 1, 1, 9, tzinfo=UTC)
SECOND = datetime(2026, 1, 2, 9, tzinfo=UTC)


def test_the_slots_are_the_instants_in_order() -> None:
    assert upcoming(At(SECOND, FIRST, SECOND), 5, after=FIRST - timedelta(microseconds=1)) == [FIRST, SECOND]


def test_a_slot_is_strictly_later() -> None:
    assert At(FIRST, SECOND).next_after(FIRST) == SECOND
    assert At(FIRST).next_after(FIRST) is None


def test_instants_in_a_repeated_hour_are_told_apart() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    assert [slot.isoformat() for slot in upcoming(At(second, first), 5, after=FIRST)] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]


@pytest.mark.parametrize(
    ("instants", "error", "message"),
    [
        ((), TypeError, "instants: expected at least one aware datetime, got none"),
        (("2026-01-01",), TypeError, "instants: expected an aware datetime, got '2026-01-01'"),
        ((datetime(2026, 1, 1),), ValueError, "instants: expected an aware datetime, got the naive"),  # noqa: DTZ001
    ],
)
def test_what_is_no_instant_is_refused(instants: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        At(*instants)


def test_it_says_its_instants_and_counts_them_when_they_are_many() -> None:
    days = [FIRST + timedelta(days=day) for day in range(5)]
    assert str(At(FIRST)) == "at 2026-01-01 09:00 UTC"
    assert str(At(*days[:3])) == "at 2026-01-01 09:00 UTC, 2026-01-02 09:00 UTC, and 2026-01-03 09:00 UTC"
    assert str(At(*days)) == (
        "at 2026-01-01 09:00 UTC, 2026-01-02 09:00 UTC, and 3 more instants until 2026-01-05 09:00 UTC"
    )


def test_repr_gives_an_equal_schedule() -> None:
    assert eval(repr(At(FIRST, SECOND)), {"At": At, "datetime": dt}) == At(SECOND, FIRST)
    assert At(FIRST) != At(SECOND)
