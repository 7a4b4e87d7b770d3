"""How schedules speak: lists, counts, times of day and dates in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def listed(items: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b, and c`."""
    if len(items) <= 2:
        return " and ".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"


def plural(amount: float, unit: str) -> str:
    """Return `1 day` or `2 days`."""
    number = f"{amount:.6f}".rstrip("0").rstrip(".") if isinstance(amount, float) else str(amount)
    return f"{number} {unit}" if amount == 1 else f"{number} {unit}s"


def weekday_words(days: list[int]) -> str:
    """Return `day`, `weekday`, or the names of the weekdays, which are numbered from 0, Monday."""
    if days == [0, 1, 2, 3, 4]:
        return "weekday"
    return "day" if len(days) == 7 else listed([WEEKDAYS[day] for day in days])


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `4th` and so on."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")  # codespell:ignore nd


def from_the_end(number: int) -> str:
    """Return `last` for 1, `2nd to last` for 2 and so on."""
    return "last" if number == 1 else f"{ordinal(number)} to last"


def clock(hour: int, minute: int, second: int) -> str:
    """Return a time of day, with the seconds only if there are any."""
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def moment(instant: datetime) -> str:
    """Return an instant to the second, with its zone."""
    text = instant.isoformat(" ")[: 19 if instant.second else 16]
    return f"{text} {zone_name(instant.tzinfo) or f'{instant:%z}'}"


def zone_name(zone: tzinfo | None) -> str:
    """Return the name of a zone that has one, such as `Europe/Berlin` or `UTC`, else an empty string."""
    name = getattr(zone, "key", None) or str(zone)
    return "" if name.startswith("<") else name
