"""What a subject found: goals, tables and plots, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.rounds import Rounds, Spread


@dataclass(frozen=True)
class Goal:
    """What was to be reached, and what was.

    Attributes:
        what: What is measured.
        against: What it is compared with; the empty text if it stands alone.
        value: What was measured; `None` if it could not be.
        limit: The value that was to be reached.
        unit: The unit of both; `×` for a ratio.
        at_least: Whether the value should be no less than the limit, instead of no more.
        needed: What would be needed to reach it, if it is known.
    """

    what: str
    against: str
    value: Spread | None
    limit: float
    unit: str = "×"
    at_least: bool = False
    needed: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the median is good enough; `None` if it is not known."""
        if self.value is None:
            return None
        return self.value.median >= self.limit if self.at_least else self.value.median <= self.limit

    @property
    def shortfall(self) -> str:
        """How much is missing, and what would be needed."""
        assert self.value is not None
        if self.at_least:
            text = f"the goal is {number(self.limit / self.value.median)} times as much"
        else:
            text = f"{number(self.value.median / self.limit)} times the goal" if self.limit else "there should be none"
        return f"{text}; {self.needed}" if self.needed else text

    def row(self) -> list[str]:
        """Return the cells of the table of goals."""
        bound = "at least" if self.at_least else "at most"
        reached = {True: "yes", False: "**no**", None: "not measured"}[self.is_reached]
        return [
            self.what,
            self.against,
            f"{bound} {number(self.limit)} {self.unit}",
            "–" if self.value is None else f"{number(self.value.median)} {self.unit}",
            span(self.value),
            reached,
        ]


@dataclass(frozen=True)
class Plot:
    """A line over steps of growth.

    Attributes:
        name: The name of the file, without its suffix.
        title: What stands above it, with the unit.
        x: What grows.
        points: For each step, the value.
    """

    name: str
    title: str
    x: str
    points: Mapping[str, float]


@dataclass(frozen=True)
class Bars:
    """One bar for each contestant.

    Attributes:
        name: The name of the file, without its suffix.
        title: What stands above it.
        unit: What is measured.
        values: The length of each.
    """

    name: str
    title: str
    unit: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """What a subject found."""

    title: str
    method: str
    goals: Sequence[Goal]
    tables: Sequence[str]
    plots: Sequence[Plot | Bars] = field(default=())

    def markdown(self, plots: str = "") -> str:
        """Return the section of the page.

        Args:
            plots: The folder of the plots, beside the page; without one they are left out.
        """
        images = [f"![{plot.title}]({plots}/{plot.name}.svg)" for plot in self.plots] if plots else []
        goals = [goals_table(self.goals)] if self.goals else []
        return "\n\n".join([f"## {self.title}", self.method, *goals, *self.tables, *images])


def goals_table(goals: Sequence[Goal]) -> str:
    """Return the table of goals as Markdown."""
    return table(["what", "against", "goal", "measured", "rounds", "reached"], [goal.row() for goal in goals])


def figures_table(rounds: Rounds, figures: Mapping[str, str], first: str = "contestant") -> str:
    """Return the figures of all contestants as Markdown: the median, and the least and the most of the rounds.

    Args:
        rounds: What was measured.
        figures: The title of the column for each figure.
        first: The title of the first column.
    """
    rows: list[list[str]] = []
    for contestant in rounds.contestants:
        row = [contestant]
        for figure in figures:
            found = rounds.of(contestant, figure)
            row.append("–" if found is None else f"{number(found.median)} ({span(found)})")
        rows.append(row)
    return table([first, *figures.values()], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def span(value: Spread | None) -> str:
    """Return the least and the most."""
    return "–" if value is None else f"{number(value.least)}–{number(value.most)}"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
