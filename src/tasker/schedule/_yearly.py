"""One day of every year at a time of day."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import MAXYEAR, tzinfo

from tasker.schedule._fields import whole_number
from tasker.schedule._gregorian import LONGEST, Day, month_length
from tasker.schedule._monthly import ShortMonth, day_in_month, day_number, day_words, short_month_rule
from tasker.schedule._on_days import OnDays
from tasker.schedule._wall_clock import Fold, Gap
from tasker.schedule._words import MONTHS

_NUMBERS = {text.lower(): number for number, name in enumerate(MONTHS, 1) for text in (name, name[:3])}


class Yearly(OnDays):
    """A slot on one day of every year at a time of day, by the clock on the wall.

    Changes of clocks are treated as by `Daily`.

    Args:
        month: 1 to 12, or a name (`"dec"`, `"December"`).
        day: 1 to the length of the month, or counted from its end: -1 is its last day.
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of the machine.
        short_month: What a year gets in which the month has no such day, as for February 29: `"last"`, a slot on the
            month's last day, or `"skip"`, none.
        gap: What a time that the clocks skip gets: `"shift"`, a slot at the end of the gap, or `"skip"`, none.
        fold: Which of two passes counts when the clocks show a time twice: `"first"`, `"second"` or `"both"`.

    Raises:
        TypeError: A number is not an `int`, or `tz` is something else.
        ValueError: A number is out of range, the month never has such a day, the zone or the month is unknown, or a
            word is not one of those above.

    >>> print(Yearly(month=12, day=24, hour=18, tz="UTC"))
    every December 24 at 18:00 in UTC
    """

    __slots__ = ("_day", "_month", "_short_month")

    def __init__(  # noqa: PLR0917  the date, then the time: the order in which they are said
        self,
        month: int | str,
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
        self._month = month_number(month)
        try:
            self._day = day_number(day, LONGEST[self._month])
        except ValueError as error:
            raise ValueError(f"{error}; the month is {MONTHS[self._month - 1]}") from None
        self._short_month: ShortMonth = short_month_rule(short_month)

    def _first_day(self, year: int, month: int, day: int) -> Day | None:
        start = (month, day)
        while year <= MAXYEAR:
            found = (self._month, day_in_month(self._day, self._short_month, month_length(year, self._month)))
            if found >= start and found[1]:
                return (year, *found)
            year += 1
            start = (1, 1)
        return None

    def _days_key(self) -> Hashable:
        return (self._month, self._day, self._short_month)

    def __repr__(self) -> str:
        short = [] if self._short_month == "last" else [f"short_month={self._short_month!r}"]
        return self._repr(f"month={self._month}", f"day={self._day}", *short)

    def __str__(self) -> str:
        return f"every {self._day_words()} {self._at_time()}"

    def _day_words(self) -> str:
        month = MONTHS[self._month - 1]
        if self._day < 0:
            return f"year on the {day_words(self._day)} of {month}"
        if (self._month, self._day) != (2, 29):
            return f"{month} {self._day}"
        return "February 29 there is" if self._short_month == "skip" else "February 29 (28 when there is none)"


def month_number(value: object) -> int:
    """Return 1 for January to 12 for December.

    Raises:
        TypeError: It is neither a name nor a number.
        ValueError: There is no such month.
    """
    if not isinstance(value, str):
        return whole_number(value, "month", 1, 12)
    number = _NUMBERS.get(value.strip().lower())
    if number is None:
        raise ValueError(f"month: expected 1 to 12, jan to dec or a full name, got {value!r}")
    return number
