"""The check of whole numbers that a user gives: an hour, a day, a month."""

from __future__ import annotations


def whole_number(value: object, argument: str, low: int, high: int) -> int:
    """Return a whole number within bounds.

    Raises:
        TypeError: It is no `int`; a `bool` is none here.
        ValueError: It is outside the bounds.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{argument}: expected a whole number from {low} to {high}, got {value!r}")
    if not low <= value <= high:
        # 24:00 and 12:60 are what people write for the start of the next day or hour.
        hint = "; write 0 for it" if low == 0 and value == high + 1 else ""
        raise ValueError(f"{argument}: expected a whole number from {low} to {high}, got {value}{hint}")
    return value


def one_of(value: object, argument: str, allowed: tuple[str, ...]) -> str:
    """Return a word that must be one of a few.

    Raises:
        ValueError: It is another one.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{argument}: expected {' or '.join(map(repr, allowed))}, got {value!r}")
