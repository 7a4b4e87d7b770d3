"""The slots that are not on some dates."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import UTC, date, datetime, timedelta

from tasker.schedule._changes import first_change
from tasker.schedule._narrowed import Narrowed
from tasker.schedule._protocol import Schedule
from tasker.schedule._words import listed

_TICK = timedelta(microseconds=1)
_SHOWN = 3


class ExceptDates(Narrowed):
    """The slots of a schedule except those on some dates; made by `except_on`."""

    __slots__ = ("_dates",)

    def __init__(self, schedule: Schedule, dates: date | Iterable[date]) -> None:
        super().__init__(schedule)
        given = [dates] if isinstance(dates, date) else list(dates)
        for day in given:
            if not isinstance(day, date) or isinstance(day, datetime):
                raise TypeError(f"dates: expected dates without a time of day, got {day!r}")
        self._dates = frozenset(given)

    def _counts(self, slot: datetime) -> bool:
        return slot.date() not in self._dates

    def _opening(self, slot: datetime) -> datetime | None:
        try:
            return max(_end_of_date(slot), slot.astimezone(UTC) + _TICK).astimezone(slot.tzinfo)
        except OverflowError:  # that was the last date there is
            return None

    def _rebuilt(self, schedule: Schedule) -> ExceptDates:
        return ExceptDates(schedule, self._dates)

    def _key(self) -> Hashable:
        return (self._schedule, self._dates)

    def __repr__(self) -> str:
        return f"{self._schedule!r}.except_on({sorted(self._dates)!r})"

    def __str__(self) -> str:
        if len(self._dates) > _SHOWN:
            return f"{self._schedule}, except on {len(self._dates)} dates"
        return f"{self._schedule}, except on {listed([str(day) for day in sorted(self._dates)])}"


def _end_of_date(slot: datetime) -> datetime:
    """Return the end of the date of a slot in the slot's zone, or an instant a little before it, in UTC."""
    day = slot.date() + timedelta(days=1)
    # fold=1: if the clocks skip midnight this is too early, and the slots from there on are looked at one by one.
    end = datetime(day.year, day.month, day.day, tzinfo=slot.tzinfo, fold=1)
    zone = slot.tzinfo
    if zone is not None and slot.utcoffset() != end.utcoffset():
        # Clocks that go back over midnight bring the date before back.
        low, high = (instant.astimezone(UTC).replace(tzinfo=None, microsecond=0) for instant in (slot, end))
        change = first_change(low, high, zone).replace(tzinfo=UTC)
        if change.astimezone(zone).date() != slot.date():
            return change
    return end.astimezone(UTC)
