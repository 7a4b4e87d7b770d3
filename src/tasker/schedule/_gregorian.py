"""The calendar: lengths of months, weekdays, and the day after a day."""

from __future__ import annotations

from datetime import MAXYEAR, date

Day = tuple[int, int, int]
"""A date: year, month, day."""

_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LONGEST = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""The most days that a month can have; January is at index 1."""


def month_length(year: int, month: int) -> int:
    """Return the number of days of a month."""
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _LENGTHS[month]


def weekday_of(year: int, month: int, day: int) -> int:
    """Return 0 for a Monday to 6 for a Sunday."""
    return date(year, month, day).weekday()


def later(year: int, month: int, day: int, days: int) -> Day | None:
    """Return the date some days (at most 28) after a date, or `None` after the year 9999."""
    day += days
    if day <= 28:
        return (year, month, day)
    length = month_length(year, month)
    if day <= length:
        return (year, month, day)
    year, month = next_month(year, month)
    return (year, month, day - length) if year <= MAXYEAR else None


def next_month(year: int, month: int) -> tuple[int, int]:
    """Return the month after a month."""
    return (year, month + 1) if month < 12 else (year + 1, 1)
