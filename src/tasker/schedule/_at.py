"""Instants that are given one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from datetime import datetime

from tasker._core.instants import aware, micros_of
from tasker.schedule._combinable import Combinable
from tasker.schedule._words import listed, moment


class At(Combinable):
    """A slot at each of some instants, and no others.

    Args:
        instants: One aware datetime or more, in any order; the slots come back in their zones.

    Raises:
        TypeError: There is none, or one is not a datetime.
        ValueError: One is naive.

    >>> from datetime import UTC, datetime
    >>> launch = At(datetime(2026, 1, 1, 9, tzinfo=UTC))
    >>> print(launch.next_after(datetime(2026, 1, 1, 9, tzinfo=UTC)))
    None
    """

    __slots__ = ("_instants", "_micros")

    def __init__(self, *instants: datetime) -> None:
        if not instants:
            raise TypeError("instants: expected at least one aware datetime, got none")
        by_micros = {micros_of(aware(instant, "instants")): instant for instant in instants}
        self._micros = tuple(sorted(by_micros))
        self._instants = tuple(by_micros[micros] for micros in self._micros)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first of the instants that is later than the given one."""
        index = bisect_right(self._micros, micros_of(aware(instant, "instant")))
        return self._instants[index] if index < len(self._instants) else None

    def _key(self) -> Hashable:
        return self._micros

    def __repr__(self) -> str:
        return f"At({', '.join(map(repr, self._instants))})"

    def __str__(self) -> str:
        shown = [moment(instant) for instant in self._instants[:3]]
        if len(self._instants) > 3:
            shown[2:] = [f"{len(self._instants) - 2} more instants until {moment(self._instants[-1])}"]
        return f"at {listed(shown)}"
