"""The way from a text to a schedule."""

from __future__ import annotations

from tasker.schedule._combinable import Combinable


def parse(text: str) -> Combinable:
    """Return the schedule that a text describes.

    What works: `every 90 seconds`, `every 1h30m`, `every 6h from 2026-01-01T00:00Z`, `daily 12:00 Europe/Berlin`,
    `every day at 12:00 in Europe/Berlin`, `weekly mon,fri 08:30`, `every weekday at 08:30`, `monthly last 03:00`,
    `monthly 1,15 03:00`, `yearly 12-24 18:00`, `at 2026-01-01T00:00Z`, `@daily`, and cron expressions.
    A zone may stand at the end of what has a time of day; without one, the zone of the machine counts.
    Case does not matter, except in the names of zones.

    Args:
        text: The description.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not understood; the message says which part, and what is expected there.

    >>> print(parse("weekly mon,fri 08:30 Europe/Berlin"))
    every Monday and Friday at 08:30 in Europe/Berlin
    >>> parse("every 90 minutes").interval
    datetime.timedelta(seconds=5400)
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string such as 'every 5m', got {text!r}")
    from tasker.schedule._parse_text import read  # noqa: PLC0415  only those who read schedules from texts pay for it

    return read(text)
