from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasker.schedule import At, Daily, upcoming

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class StandsStill:
    def next_after(self, instant: datetime) -> datetime:
        return NEW_YEAR


def test_it_lists_the_next_slots() -> None:
    assert upcoming(Daily(3, tz="UTC"), 2, after=NEW_YEAR) == [
        datetime(2026, 1, 1, 3, tzinfo=UTC),
        datetime(2026, 1, 2, 3, tzinfo=UTC),
    ]


def test_it_lists_fewer_when_the_schedule_ends() -> None:
    assert upcoming(At(NEW_YEAR), 5, after=NEW_YEAR - timedelta(days=1)) == [NEW_YEAR]


def test_none_is_a_number_of_slots() -> None:
    assert upcoming(Daily(3, tz="UTC"), 0, after=NEW_YEAR) == []


def test_without_an_instant_it_starts_now() -> None:
    [slot] = upcoming(Daily(tz="UTC"), 1)
    assert timedelta(0) < slot - datetime.now(UTC) <= timedelta(days=1)


def test_a_schedule_that_stands_still_is_refused() -> None:
    with pytest.raises(ValueError, match="schedule: expected a slot later than 2026-01-01 00:00:00"):
        upcoming(StandsStill(), 3, after=NEW_YEAR - timedelta(days=1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("daily 03:00", 1), TypeError, "schedule: expected a schedule, .* got 'daily 03:00'; schedule.parse reads"),
        ((Daily, 1), TypeError, "schedule: expected a schedule, .* got <class"),
        ((Daily(tz="UTC"), 1.0), TypeError, "n: expected a whole number, got 1.0"),
        ((Daily(tz="UTC"), True), TypeError, "n: expected a whole number, got True"),
        ((Daily(tz="UTC"), -1), ValueError, "n: expected zero or more, got -1"),
        ((Daily(tz="UTC"), 1, datetime(2026, 1, 1)), ValueError, "after: expected an aware datetime"),  # noqa: DTZ001
    ],
)
def test_bad_arguments_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        upcoming(*arguments)
