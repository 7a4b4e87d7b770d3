from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasker.schedule import (
    Combinable,
    Daily,
    Interval,
    Schedule,
    combinable,
    counts_from_last_run,
    upcoming,
    with_salt,
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Third:
    """A schedule of a third party: nothing but `next_after`."""

    def next_after(self, instant: datetime) -> datetime:
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    def __str__(self) -> str:
        return "at the next hour"


class Inheriting(Combinable):
    def next_after(self, instant: datetime) -> datetime:
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def test_next_after_is_all_that_a_schedule_needs() -> None:
    assert isinstance(Third(), Schedule)
    assert not isinstance(object(), Schedule)


def test_a_third_schedule_gets_the_combinators() -> None:
    third = combinable(Third())
    assert upcoming(third.between(None, NEW_YEAR + timedelta(hours=2)), 5, after=NEW_YEAR) == [
        NEW_YEAR + timedelta(hours=1)
    ]
    assert str(third | Daily(3, tz="UTC")) == "at the next hour and every day at 03:00 in UTC"


def test_a_third_schedule_works_on_both_sides_of_a_bar() -> None:
    for both in (Third() | Daily(0, 30, tz="UTC"), Daily(0, 30, tz="UTC") | Third()):
        assert both.next_after(NEW_YEAR) == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


def test_inheriting_gives_the_combinators() -> None:
    inheriting = Inheriting()
    assert upcoming(inheriting.except_on(NEW_YEAR.date()), 1, after=NEW_YEAR) == [datetime(2026, 1, 2, tzinfo=UTC)]
    assert inheriting == inheriting  # noqa: PLR0124  equality is what is tested
    assert inheriting != Inheriting()


def test_a_combinable_schedule_is_not_wrapped_again() -> None:
    daily = Daily(tz="UTC")
    assert combinable(daily) is daily
    third = Third()
    assert combinable(third) == combinable(third)
    assert repr(combinable(third)).startswith("combinable(")


def test_a_schedule_without_next_after_cannot_be_built() -> None:
    class Half(Combinable):
        pass

    with pytest.raises(TypeError, match="next_after"):
        Half()  # type: ignore[abstract]


def test_what_is_no_schedule_is_refused() -> None:
    nothing: Any = object()
    with pytest.raises(TypeError, match="schedule: expected a schedule"):
        combinable(nothing)
    with pytest.raises(TypeError, match=r"\|: expected a schedule"):
        Daily(tz="UTC") | nothing


def test_combinations_count_from_the_last_run_if_a_part_does() -> None:
    after_run, by_clock = Interval(hours=1), Daily(tz="UTC")
    assert counts_from_last_run(after_run | by_clock)
    assert counts_from_last_run(combinable(after_run).jitter(60).between(NEW_YEAR, None).except_on(NEW_YEAR.date()))
    assert not counts_from_last_run(by_clock.jitter(60))
    assert not counts_from_last_run(Third())
    assert not counts_from_last_run(combinable(Third()))


def test_a_salt_leaves_a_schedule_without_jitter_alone() -> None:
    third, daily = Third(), Daily(tz="UTC")
    assert with_salt(third, "id") is third
    assert with_salt(daily, "id") is daily
    assert combinable(third).with_salt("id") == combinable(third)
