"""Lengths of time in words: `5m`, `1h30m`, `90 seconds`."""

from __future__ import annotations

from tasker.schedule._parse_days import Words
from tasker.schedule._suggestions import did_you_mean

_UNITS = {
    "seconds": ("s", "sec", "secs", "second"),
    "minutes": ("m", "min", "mins", "minute"),
    "hours": ("h", "hr", "hrs", "hour"),
    "days": ("d", "day"),
    "weeks": ("w", "week"),
}
_ARGUMENTS = {spelling: argument for argument, others in _UNITS.items() for spelling in (argument, *others)}
_CALENDAR = {"month": "monthly 1", "months": "monthly 1", "year": "yearly 01-01", "years": "yearly 01-01"}


def amounts_of(words: Words) -> dict[str, float]:
    """Take a length of time, as arguments for an `Interval`.

    Raises:
        ValueError: It is not understood.
    """
    import re  # noqa: PLC0415  only those who write lengths of time as texts pay for it

    text = words.take_all()
    pieces = re.findall(r"(\d+\.?\d*|)\s*([^\W\d]+)|(\S)", text.lower().replace(" and ", " ").replace(",", " "))
    amounts: dict[str, float] = {}
    for number, unit, stray in pieces:
        if stray or (number == "" and len(pieces) > 1):
            raise ValueError(f"expected a length such as 5m, 1h30m, or 90 seconds, got {text!r}")
        argument = _argument(unit)
        if argument in amounts:
            raise ValueError(f"expected each unit once, got {argument} twice in {text!r}")
        amounts[argument] = float(number) if "." in number else int(number or 1)
    if not amounts:
        raise ValueError("expected a length such as 5m, 1h30m, or 90 seconds, got nothing")
    return amounts


def _argument(unit: str) -> str:
    argument = _ARGUMENTS.get(unit)
    if argument is not None:
        return argument
    if unit in _CALENDAR:
        raise ValueError(f"expected a unit of fixed length, got {unit!r}; write {_CALENDAR[unit]!r} for the calendar's")
    hint = did_you_mean(unit, _ARGUMENTS)
    raise ValueError(f"expected {', '.join(_UNITS)}, or s, m, h, d, w, got {unit!r}{hint}")
