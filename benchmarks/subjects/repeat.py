"""What a task that repeats costs, in CPU and in memory."""

from __future__ import annotations

from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_apart
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import take_turns

NUMBER = 10_000
PERIOD = 2.0


def measure(effort: Effort) -> Report:
    """Measure tasks that repeat, beside loops that sleep."""
    ways = {
        way: partial(
            measure_apart,
            "benchmarks.repeats",
            "repeats",
            way=way,
            number=NUMBER,
            period=PERIOD,
            seconds=effort.seconds,
        )
        for way in ("tasker", "asyncio")
    }
    rounds = take_turns(ways, effort.rounds)
    return Report(
        "Repeating",
        f"`with_repeat` of {NUMBER:,} async tasks, each every {PERIOD:g} s, their times spread evenly:"
        f" {NUMBER / PERIOD:,.0f} runs a second.\n"
        "The floor is a task for each that sleeps until its next time.",
        [
            Goal(
                "`with_repeat`: CPU per run",
                "sleep loops",
                rounds.ratio("CPU", "tasker", "asyncio"),
                1.5,
                needed="each run is an asyncio task of its own, so that it can be cancelled alone, which is two turns"
                " of the loop more; a run in the task that repeats it would leave its cancellations and variables to"
                " the next",
            ),
            Goal("`with_repeat`: memory per task", "sleep loops", rounds.ratio("bytes", "tasker", "asyncio"), 2.0),
        ],
        [figures_table(rounds, {"runs/s": "runs/s", "CPU": "CPU per run, µs", "bytes": "bytes per task"})],
    )
