"""What a scheduler does while nothing is due."""

from __future__ import annotations

from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_load
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, take_turns
from benchmarks.server import postgresql
from benchmarks.subjects.scheduling import SYNC

NUMBER = 10_000
SECONDS = 10.0


def measure(effort: Effort) -> Report:
    """Measure wake-ups in memory, and statements on PostgreSQL."""

    def program(contestant: str, url: str = "") -> partial[Figures]:
        return partial(
            measure_load,
            "idle",
            contestant,
            number=NUMBER,
            seconds=SECONDS,
            url=url,
        )

    with postgresql() as server, server.database() as database:
        contestants = {name: program(contestant) for name, contestant in SYNC.items()}
        contestants["tasker on PostgreSQL"] = program(SYNC["tasker"], server.url(database))
        rounds = take_turns(contestants, 1 if effort.rounds < 5 else 3)
    return Report(
        "Idle",
        f"{NUMBER:,} schedules that are not due, for {SECONDS:g} s.\n"
        "Wake-ups are the voluntary context switches of the whole process.",
        [
            Goal("wake-ups in memory", "", rounds.of("tasker", "wake-ups"), 0, "in 10 s"),
            Goal("statements on PostgreSQL", "", rounds.of("tasker on PostgreSQL", "statements/s"), 2, "/s"),
        ],
        [figures_table(rounds, {"wake-ups": "wake-ups", "CPU": "CPU, ms", "statements/s": "statements/s"})],
    )
