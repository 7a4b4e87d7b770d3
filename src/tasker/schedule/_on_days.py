"""What Daily, Weekly, Monthly and Yearly share: one time of day, on some days."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from datetime import tzinfo

from tasker.schedule._fields import whole_number
from tasker.schedule._gregorian import Day, later
from tasker.schedule._wall_clock import Fold, Gap, Wall, WallClock
from tasker.schedule._words import clock


class OnDays(WallClock):
    """A time of day on those days that a subclass picks."""

    __slots__ = ("_time",)

    def __init__(
        self,
        time: tuple[int, int, int],
        tz: str | tzinfo | None,
        gap: Gap,
        fold: Fold,
    ) -> None:
        super().__init__(tz, gap, fold)
        hour, minute, second = time
        self._time = (
            whole_number(hour, "hour", 0, 23),
            whole_number(minute, "minute", 0, 59),
            whole_number(second, "second", 0, 59),
        )

    @abstractmethod
    def _first_day(self, year: int, month: int, day: int) -> Day | None:
        """Return the first wanted day at or after a day; `None` if there is none before the year 10000."""

    def _wall_after(self, wall: Wall) -> Wall | None:
        year, month, day, hour, minute, second = wall
        start: Day | None = (year, month, day)
        if (hour, minute, second) >= self._time:
            start = later(year, month, day, 1)
        found = start and self._first_day(*start)
        return found and found + self._time

    def _days_key(self) -> Hashable:
        """Return what picks the days."""
        return None

    def _key(self) -> Hashable:
        return (self._days_key(), self._time, self._zone, self._gap, self._fold)

    def _repr(self, *days: str) -> str:
        named = zip(("hour", "minute", "second"), self._time, strict=True)
        times = [f"{name}={value}" for name, value in named if value]
        return f"{type(self).__name__}({', '.join([*days, *times, *self._zone_arguments()])})"

    def _at_time(self) -> str:
        return f"at {clock(*self._time)} {self._place()}"
