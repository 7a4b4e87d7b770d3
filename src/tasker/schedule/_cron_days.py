"""On which days a cron expression runs: two fields that are joined in a way of their own.

A set of days is an `int` with a bit for each: bit 1 is the first of the month, bit 31 the last.
"""

from __future__ import annotations

from datetime import MAXYEAR
from functools import lru_cache
from typing import NamedTuple

from tasker.schedule._gregorian import LONGEST, Day, month_length, weekday_of

ALL_DAYS = (1 << 32) - 2
ALL_WEEKDAYS = (1 << 7) - 1
_WITHIN = tuple((2 << length) - 2 for length in range(32))
"""All days of a month of each length; bit 0 stands for "there is none" and is not among them."""

Following = tuple[int, ...]
"""For each number, the first wanted number at or after it, -1 if there is none."""


class FromEnd(NamedTuple):
    """`L`, `L-3`, `LW`, `L-3W`: a day counted back from the end of the month."""

    back: int
    nearest_weekday: bool


class NearestWeekday(NamedTuple):
    """`15W`: the day from Monday to Friday, in the same month, that is nearest to a day."""

    day: int


class Nth(NamedTuple):
    """`5#2` and `5L`: the second Friday, the last Friday of the month; a `number` of 0 is the last."""

    weekday: int
    number: int


class CronDays(NamedTuple):
    """The fields day of month and day of week.

    Attributes:
        days: The days that the first field names, as bits 1 to 31.
        special_days: What it says in other ways.
        weekdays: The weekdays that the second field names, as bits 0 (Monday) to 6.
        special_weekdays: What it says in other ways.
        both: Whether a day must match both fields, as it must if one of them starts with `*`; else one is enough.
    """

    days: int
    special_days: tuple[FromEnd | NearestWeekday, ...]
    weekdays: int
    special_weekdays: tuple[Nth, ...]
    both: bool


EVERY_DAY = CronDays(ALL_DAYS, (), ALL_WEEKDAYS, (), both=True)


def month_days(wanted: CronDays, year: int, month: int) -> int:
    """Return the wanted days of a month."""
    length = month_length(year, month)
    if wanted.both and not wanted.special_days:
        days = wanted.days & _WITHIN[length]
        # Most often the weekdays have no say: every one is wanted, or there is no such day in this month.
        if wanted.weekdays == ALL_WEEKDAYS or not days:
            return days
    return days_of(wanted, length, weekday_of(year, month, 1))


@lru_cache(maxsize=1024)  # there are 28 kinds of months
def days_of(wanted: CronDays, length: int, first: int) -> int:
    """Return the wanted days of a month of some length that begins with some weekday."""
    by_day = wanted.days
    for special in wanted.special_days:
        by_day |= 1 << _special_day(special, length, first)
    by_weekday = _days_on(wanted.weekdays, first)
    for nth in wanted.special_weekdays:
        by_weekday |= 1 << _nth(nth, length, first)
    return (by_day & by_weekday if wanted.both else by_day | by_weekday) & _WITHIN[length]


def first_day_from(wanted: CronDays, months: Following, day: Day) -> Day | None:
    """Return the first wanted day at or after a day.

    Args:
        wanted: The wanted days.
        months: For each month, and for a month 13, the first wanted month at or after it.
        day: Where to begin.
    """
    year, month, start = day
    while year <= MAXYEAR:
        found = months[month]
        if found < 0:
            year, month, start = year + 1, 1, 1
            continue
        if found > month:
            start = 1
        left = month_days(wanted, year, found) >> start
        if left:
            return (year, found, start + (left & -left).bit_length() - 1)
        month, start = found + 1, 1
    return None


def ever(wanted: CronDays, months: int) -> bool:
    """Return whether there is a wanted day in any year.

    Each month begins with each weekday in some year, February also when it has 29 days.
    """
    lengths = {LONGEST[month] for month in range(1, 13) if months >> month & 1}
    return any(days_of(wanted, length, first) for length in lengths for first in range(7))


def _days_on(weekdays: int, first: int) -> int:
    if weekdays == ALL_WEEKDAYS:
        return ALL_DAYS
    days = 0
    for day in range(1, 32):
        days |= (weekdays >> (first + day - 1) % 7 & 1) << day
    return days


def _special_day(special: FromEnd | NearestWeekday, length: int, first: int) -> int:
    """Return the day, 0 if this month has none."""
    if isinstance(special, NearestWeekday):
        return _nearest_weekday(special.day, length, first) if special.day <= length else 0
    day = length - special.back
    if day < 1:
        return 0
    return _nearest_weekday(day, length, first) if special.nearest_weekday else day


def _nearest_weekday(day: int, length: int, first: int) -> int:
    weekday = (first + day - 1) % 7
    if weekday == 5:
        return day - 1 if day > 1 else day + 2
    if weekday == 6:
        return day + 1 if day < length else day - 2
    return day


def _nth(nth: Nth, length: int, first: int) -> int:
    day = 1 + (nth.weekday - first) % 7
    if nth.number:
        return day + 7 * (nth.number - 1)
    return day + (length - day) // 7 * 7


@lru_cache(maxsize=256)  # most schedules have the same few fields
def following(wanted: int, size: int) -> Following:
    """Return where to go on from each number below a size, and from the size itself, in a set of bits."""
    table = [-1] * (size + 1)
    for number in reversed(range(size)):
        table[number] = number if wanted >> number & 1 else table[number + 1]
    return tuple(table)
