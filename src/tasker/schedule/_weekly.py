"""Some days of every week at a time of day."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import tzinfo

from tasker.schedule._fields import whole_number
from tasker.schedule._gregorian import Day, later, weekday_of
from tasker.schedule._on_days import OnDays
from tasker.schedule._wall_clock import Fold, Gap
from tasker.schedule._words import WEEKDAYS, weekday_words

_NUMBERS = {text.lower(): number for number, name in enumerate(WEEKDAYS) for text in (name, name[:3])}


class Weekly(OnDays):
    """A slot on some days of every week at a time of day, by the clock on the wall.

    Changes of clocks are treated as by `Daily`.

    Args:
        weekday: One weekday or several, each a name (`"mon"`, `"Monday"`) or a number from 0, Monday, to 6, Sunday.
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of the machine.
        gap: What a time that the clocks skip gets: `"shift"`, a slot at the end of the gap, or `"skip"`, none.
        fold: Which of two passes counts when the clocks show a time twice: `"first"`, `"second"` or `"both"`.

    Raises:
        TypeError: A number is not an `int`, or `tz` or `weekday` is something else.
        ValueError: A number is out of range, a name is unknown, there is no weekday, or `gap` or `fold` is another
            word.

    >>> print(Weekly(("mon", "fri"), hour=8, minute=30, tz="UTC"))
    every Monday and Friday at 08:30 in UTC
    """

    __slots__ = ("_ahead",)

    def __init__(
        self,
        weekday: str | int | Iterable[str | int],
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        tz: str | tzinfo | None = None,
        *,
        gap: Gap = "shift",
        fold: Fold = "first",
    ) -> None:
        super().__init__((hour, minute, second), tz, gap, fold)
        wanted = _weekdays(weekday)
        # For each weekday, how many days it is to the next wanted one.
        self._ahead = tuple(min((day - today) % 7 for day in wanted) for today in range(7))

    def _first_day(self, year: int, month: int, day: int) -> Day | None:
        ahead = self._ahead[weekday_of(year, month, day)]
        return later(year, month, day, ahead) if ahead else (year, month, day)

    def _days(self) -> list[int]:
        return [day for day, ahead in enumerate(self._ahead) if not ahead]

    def _days_key(self) -> Hashable:
        return self._ahead

    def __repr__(self) -> str:
        names = [WEEKDAYS[day][:3].lower() for day in self._days()]
        return self._repr(repr(names[0] if len(names) == 1 else tuple(names)))

    def __str__(self) -> str:
        return f"every {weekday_words(self._days())} {self._at_time()}"


def weekday_number(value: object) -> int:
    """Return 0 for Monday to 6 for Sunday.

    Raises:
        TypeError: It is neither a name nor a number.
        ValueError: There is no such weekday.
    """
    if not isinstance(value, str):
        return whole_number(value, "weekday", 0, 6)
    number = _NUMBERS.get(value.strip().lower())
    if number is None:
        raise ValueError(f"weekday: expected mon, tue, wed, thu, fri, sat, sun or a full name, got {value!r}")
    return number


def _weekdays(weekday: object) -> frozenset[int]:
    if isinstance(weekday, (str, int)):
        return frozenset([weekday_number(weekday)])
    try:
        wanted = frozenset(weekday_number(value) for value in iter(weekday))  # type: ignore[call-overload]
    except TypeError as error:
        raise TypeError(f"weekday: expected weekdays, each a name or 0 to 6, got {weekday!r}") from error
    if not wanted:
        raise ValueError("weekday: expected at least one weekday, got none")
    return wanted
