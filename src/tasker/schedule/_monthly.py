"""One day of every month at a time of day."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import MAXYEAR, tzinfo
from typing import Literal, cast

from tasker.schedule._fields import one_of
from tasker.schedule._gregorian import Day, month_length, next_month
from tasker.schedule._on_days import OnDays
from tasker.schedule._wall_clock import Fold, Gap
from tasker.schedule._words import from_the_end, ordinal

ShortMonth = Literal["last", "skip"]
"""What a month gets that is too short for the day: a slot on its nearest day, or none."""


class Monthly(OnDays):
    """A slot on one day of every month at a time of day, by the clock on the wall.

    Changes of clocks are treated as by `Daily`.

    Args:
        day: 1 to 31, or counted from the end of the month: -1 is the last day, -31 the 31st to last.
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of the machine.
        short_month: What a month that has no such day gets: `"last"`, a slot on its last day (for a day counted from
            the end, its first), or `"skip"`, none.
        gap: What a time that the clocks skip gets: `"shift"`, a slot at the end of the gap, or `"skip"`, none.
        fold: Which of two passes counts when the clocks show a time twice: `"first"`, `"second"` or `"both"`.

    Raises:
        TypeError: A number is not an `int`, or `tz` is something else.
        ValueError: A number is out of range, the zone is unknown, or a word is not one of those above.

    >>> from datetime import UTC, datetime
    >>> payday = Monthly(day=31, hour=9, tz="UTC")
    >>> print(payday.next_after(datetime(2026, 2, 1, tzinfo=UTC)))
    2026-02-28 09:00:00+00:00
    """

    __slots__ = ("_day", "_short_month")

    def __init__(
        self,
        day: int,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        tz: str | tzinfo | None = None,
        *,
        short_month: ShortMonth = "last",
        gap: Gap = "shift",
        fold: Fold = "first",
    ) -> None:
        super().__init__((hour, minute, second), tz, gap, fold)
        self._day = day_number(day, 31)
        self._short_month: ShortMonth = short_month_rule(short_month)

    def _first_day(self, year: int, month: int, day: int) -> Day | None:
        while year <= MAXYEAR:
            found = day_in_month(self._day, self._short_month, month_length(year, month))
            if found >= day:
                return (year, month, found)
            year, month = next_month(year, month)
            day = 1
        return None

    def _days_key(self) -> Hashable:
        return (self._day, self._short_month)

    def __repr__(self) -> str:
        short = [] if self._short_month == "last" else [f"short_month={self._short_month!r}"]
        return self._repr(f"day={self._day}", *short)

    def __str__(self) -> str:
        return f"on the {day_words(self._day)} of every month{self._short_words()} {self._at_time()}"

    def _short_words(self) -> str:
        if abs(self._day) <= 28:
            return ""
        if self._short_month == "skip":
            return " that has one"
        return f" (the {'last' if self._day > 0 else 'first'} day of a shorter one)"


def day_number(day: object, longest: int) -> int:
    """Return a day of a month, from 1 or from -1 on.

    Raises:
        TypeError: It is no `int`.
        ValueError: It is zero, or more than the month can have.
    """
    if isinstance(day, int) and not isinstance(day, bool) and 1 <= abs(day) <= longest:
        return day
    kind = ValueError if isinstance(day, int) and not isinstance(day, bool) else TypeError
    raise kind(f"day: expected 1 to {longest}, or -1 (the last) to -{longest}, got {day!r}")


def short_month_rule(word: object) -> ShortMonth:
    """Return `last` or `skip`.

    Raises:
        ValueError: It is another word.
    """
    return cast("ShortMonth", one_of(word, "short_month", ("last", "skip")))


def day_in_month(day: int, short_month: ShortMonth, length: int) -> int:
    """Return the day of a month of some length, 0 if it has no such day."""
    found = day if day > 0 else length + 1 + day
    if 1 <= found <= length:
        return found
    if short_month == "skip":
        return 0
    return length if day > 0 else 1


def day_words(day: int) -> str:
    """Return `3rd`, `last day` or `2nd to last day`."""
    return ordinal(day) if day > 0 else f"{from_the_end(-day)} day"
