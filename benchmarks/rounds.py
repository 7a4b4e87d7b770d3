"""Measuring in turns: every contestant once in each round, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Figures = Mapping[str, float]
"""What one measurement of a contestant found, by the names of the figures; one that it cannot tell is left out."""


class Spread(NamedTuple):
    """What several rounds found.

    Attributes:
        median: The median of the rounds.
        least: The least of them.
        most: The most of them.
    """

    median: float
    least: float
    most: float


class Rounds:
    """The figures of all contestants in all rounds."""

    def __init__(self) -> None:
        self._rounds: list[dict[str, Figures]] = []

    def add(self, figures: dict[str, Figures]) -> None:
        """Note a round: the figures of each contestant."""
        self._rounds.append(figures)

    @property
    def contestants(self) -> list[str]:
        """The contestants, in their order."""
        return list(dict.fromkeys(name for figures in self._rounds for name in figures))

    def of(self, contestant: str, figure: str) -> Spread | None:
        """Return a figure of a contestant; `None` if no round has it."""
        return _spread([found[contestant][figure] for found in self._rounds if figure in found.get(contestant, ())])

    def medians(self, figure: str) -> dict[str, float]:
        """Return the median of a figure for each contestant that has it."""
        return {name: found.median for name in self.contestants if (found := self.of(name, figure)) is not None}

    def difference(self, figure: str, ours: str, theirs: str) -> Spread | None:
        """Return what a figure of one contestant is more than that of another, round by round."""
        return _spread([mine - other for mine, other in self._pairs(figure, ours, theirs)])

    def ratio(self, figure: str, ours: str, theirs: str) -> Spread | None:
        """Return a figure of one contestant divided by that of another, round by round."""
        return _spread([mine / other for mine, other in self._pairs(figure, ours, theirs) if other])

    def _pairs(self, figure: str, ours: str, theirs: str) -> list[tuple[float, float]]:
        return [
            (found[ours][figure], found[theirs][figure])
            for found in self._rounds
            if figure in found.get(ours, ()) and figure in found.get(theirs, ())
        ]


def take_turns(contestants: Mapping[str, Callable[[], Figures]], rounds: int) -> Rounds:
    """Measure every contestant once in each round; every other round goes backwards."""
    measured = Rounds()
    names = list(contestants)
    for number in range(rounds):
        found = {name: contestants[name]() for name in (names if number % 2 == 0 else reversed(names))}
        measured.add({name: found[name] for name in names})
    return measured


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values)) if values else None
