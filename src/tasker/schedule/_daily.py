"""Every day at a time of day."""

from __future__ import annotations

from datetime import tzinfo

from tasker.schedule._gregorian import Day
from tasker.schedule._on_days import OnDays
from tasker.schedule._wall_clock import Fold, Gap


class Daily(OnDays):
    """A slot every day at a time of day, by the clock on the wall.

    The slot is the first instant at which the wall clock of the zone reads the time or later.
    So on a day on which the clocks skip the time, the slot is the end of the gap.
    On a day on which they show it twice, it is the first of the two.

    Args:
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of the machine.
        gap: What a time that the clocks skip gets: `"shift"`, a slot at the end of the gap, or `"skip"`, none.
        fold: Which of two passes counts when the clocks show a time twice: `"first"`, `"second"` or `"both"`.

    Raises:
        TypeError: A number is not an `int`, or `tz` is something else.
        ValueError: A number is out of range, the zone is unknown, or `gap` or `fold` is another word.

    >>> from datetime import UTC, datetime
    >>> noon = Daily(hour=12, tz="UTC")
    >>> print(noon.next_after(datetime(2026, 2, 28, 12, tzinfo=UTC)))
    2026-03-01 12:00:00+00:00
    """

    __slots__ = ()

    def __init__(
        self,
        hour: int = 0,
        minute: int = 0,
        second: int = 0,
        tz: str | tzinfo | None = None,
        *,
        gap: Gap = "shift",
        fold: Fold = "first",
    ) -> None:
        super().__init__((hour, minute, second), tz, gap, fold)

    def _first_day(self, year: int, month: int, day: int) -> Day | None:
        return (year, month, day)

    def __repr__(self) -> str:
        return self._repr()

    def __str__(self) -> str:
        return f"every day {self._at_time()}"
