"""Adding schedules, and the memory of each."""

from __future__ import annotations

from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_load
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import take_turns
from benchmarks.subjects.scheduling import SYNC

NUMBER = 100_000


def measure(effort: Effort) -> Report:
    """Measure how long it takes until all are waited for, and what the memory has grown by."""
    rounds = take_turns(
        {
            name: partial(
                measure_load,
                "adding",
                contestant,
                number=NUMBER,
            )
            for name, contestant in SYNC.items()
        },
        effort.rounds,
    )
    return Report(
        "Adding schedules",
        f"{NUMBER:,} schedules with a rule of its own for each, from the first call until the running scheduler waits"
        " for all of them.\n"
        "Memory is what the process has grown by, rules included.",
        [
            Goal(
                "adding 100,000 schedules",
                "",
                rounds.of("tasker", "seconds"),
                1.0,
                "s",
                needed="a sixth are the rules, a quarter the checks of `add` and what it keeps, the rest registering:"
                " the row, the text of the rule and the first decision; and a fifth of all of it is the garbage"
                " collector's, which walks through all that is there again and again while it grows",
            ),
            Goal(
                "memory for each schedule",
                "",
                rounds.of("tasker", "bytes"),
                600,
                "bytes",
                needed="240 are the rule, 250 the task and its definition, 440 the entry and the row of the store, and"
                " some 400 four tables by id, the text of the rule and the numbers of its slots; one object for all of"
                " that, and no store of its own, would be within the goal",
            ),
        ],
        [figures_table(rounds, {"seconds": "seconds", "each": "µs each", "bytes": "bytes each"})],
    )
