"""A herd: thousands of schedules that are due at one instant."""

from __future__ import annotations

from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_load
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import take_turns
from benchmarks.subjects.scheduling import ASYNC, SYNC

NUMBER = 5_000


def measure(effort: Effort) -> Report:
    """Measure how long it takes until the last has started."""
    contestants = {
        **SYNC,
        "tasker, async": ASYNC["tasker"],
        "floor: call_at, create_task": ASYNC["floor: call_at, create_task"],
    }
    rounds = take_turns(
        {
            name: partial(
                measure_load,
                "herd",
                contestant,
                number=NUMBER,
            )
            for name, contestant in contestants.items()
        },
        effort.rounds,
    )
    floor = next(name for name in SYNC if name.startswith("floor"))
    return Report(
        "A herd",
        f"{NUMBER:,} schedules that are due once, all at the same instant.",
        [
            Goal(
                f"a herd of {NUMBER:,}: until the last has started",
                name,
                rounds.ratio("last started", "tasker", name),
                limit,
                needed="all that the driver does for a run comes before the last start, 20 to 30 µs for each, as the"
                " runs share the interpreter with it; to record later, or to let more than 64 go on at once, gains"
                " nothing",
            )
            for name, limit in ((floor, 0.8), ("APScheduler 3", 1.0), ("APScheduler 4", 1.0))
        ],
        [figures_table(rounds, {"last started": "last started after, ms", "first started": "first, ms"})],
    )
