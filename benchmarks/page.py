"""The page `docs/performance.md`: everything that one run has found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from benchmarks import machine, plots
from benchmarks.processes import ROOT
from benchmarks.report import Report, goals_table

PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
INTRODUCTION = """# Performance

`make bench` measures tasker, its peers and the floor in the same run on the same work, and writes this page.
The floor is the bare Python or SQL that does the same, and nothing else.

{machine}
Measured on {day}, {effort}.

Read ratios, not figures: contestants take turns in each round, and a ratio is taken within a round.
What is shown is the median of the rounds, with the least and the most of them.
A difference of less than a third means nothing on a machine like this.
Peers run with their defaults unless a line says otherwise, and each scheduler runs in a process of its own.

## Goals

{goals}
{missed}"""


def write(reports: Mapping[str, Report], effort: str) -> None:
    """Write the page and its plots."""
    goals = [goal for report in reports.values() for goal in report.goals]
    parts = [
        INTRODUCTION.format(
            machine="\n".join(machine.describe()),
            day=datetime.now(UTC).date().isoformat(),
            effort=effort,
            goals=goals_table(goals),
            missed=_missed(reports),
        ),
        *(report.markdown(FOLDER.name) for report in reports.values()),
    ]
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for report in reports.values():
        for plot in report.plots:
            plots.write(plot, FOLDER)
    PAGE.write_text("\n\n".join(parts).replace("\n\n\n", "\n\n") + "\n", encoding="utf-8")


def _missed(reports: Mapping[str, Report]) -> str:
    lines = [
        f"- **{goal.what}**, beside {goal.against or 'the goal'}: {goal.shortfall}."
        for report in reports.values()
        for goal in report.goals
        if goal.is_reached is False
    ]
    return "\n".join(["", "What is missed, and by how much:", "", *lines]) if lines else ""
