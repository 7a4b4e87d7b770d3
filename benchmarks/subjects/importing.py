"""How long an import takes, in a new interpreter each time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from benchmarks.effort import Effort
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, take_turns

IMPORTS = {
    "asyncio": "import asyncio",
    "tasker": "import tasker",
    "tasker, and what a program without a scheduler uses": "import tasker; "
    "tasker.main, tasker.sequence, tasker.concurrence, tasker.with_repeat, tasker.with_shutdown, tasker.schedule",
    "tasker, and `Scheduler`": "import tasker; tasker.Scheduler",
    "apscheduler.schedulers.background": "import apscheduler.schedulers.background",
}
PROGRAM = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def measure(effort: Effort) -> Report:
    """Measure imports, bytecode being compiled already."""
    rounds = take_turns({name: _program(code) for name, code in IMPORTS.items()}, effort.many)
    used, scheduler = list(IMPORTS)[2:4]
    return Report(
        "Import",
        "What is used of tasker is imported when it is first asked for, so its use is measured too.",
        [
            Goal("`import tasker`", "import asyncio", rounds.ratio("ms", "tasker", "asyncio"), 1.3),
            Goal(f"import of {used}", "import asyncio", rounds.ratio("ms", used, "asyncio"), 1.3),
            Goal(
                f"import of {scheduler}",
                "import asyncio",
                rounds.ratio("ms", scheduler, "asyncio"),
                1.3,
                needed="half of the rest is the making of frozen dataclasses, the values that cross the ports",
            ),
        ],
        [figures_table(rounds, {"ms": "ms"}, "import")],
    )


def _program(code: str) -> Callable[[], Figures]:
    command = [sys.executable, "-c", PROGRAM.format(code)]
    # Also where it is not to be written: an import that compiles is not what a user sees.
    writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, env=writing, capture_output=True, check=True)

    def run() -> Figures:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {"ms": float(done.stdout) * 1e3}

    return run
