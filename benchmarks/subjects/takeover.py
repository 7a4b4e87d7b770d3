"""How soon a run goes on elsewhere when its instance dies, and when it is stopped."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import IO, NamedTuple

from benchmarks.effort import Effort
from benchmarks.processes import ROOT
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, take_turns
from benchmarks.server import postgresql

TTL = 15
SETTLED = 3.0
LIMIT = 60.0


def measure(effort: Effort) -> Report:
    """Measure the time from a signal until the other instance has started the slot again."""
    with postgresql() as server, server.database() as name:
        url = server.url(name)
        rounds = take_turns(
            {
                "SIGKILL": lambda: _measure(url, signal.SIGKILL),
                "SIGTERM": lambda: _measure(url, signal.SIGTERM),
            },
            min(effort.rounds, 3),
        )
    return Report(
        "Takeover and hand-over",
        "Two instances on PostgreSQL with the default lease of 15 s; one of them runs a long job and gets a signal.\n"
        "What is measured is the time from the signal until the other one has started the same slot.",
        [
            Goal("takeover after SIGKILL", f"lease of {TTL} s", rounds.of("SIGKILL", "seconds"), TTL + 1, "s"),
            Goal("hand-over after SIGTERM", "", rounds.of("SIGTERM", "seconds"), 1.0, "s"),
        ],
        [figures_table(rounds, {"seconds": "seconds"}, "signal")],
    )


class Instance(NamedTuple):
    """An instance that runs."""

    process: subprocess.Popen[str]
    out: IO[str]


def _measure(url: str, number: signal.Signals) -> Figures:
    with ExitStack() as stack:
        instances = [_start(url, stack) for _ in range(2)]
        holder, _ = _next_start(instances)
        time.sleep(SETTLED)
        begun = time.monotonic()
        os.kill(holder.process.pid, number)
        instances.remove(holder)
        _, started_at = _next_start(instances)
        return {"seconds": started_at - begun}


def _start(url: str, stack: ExitStack) -> Instance:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.instance", url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    stack.callback(process.wait)
    stack.callback(process.kill)
    return Instance(process, stack.enter_context(process.stdout))


def _next_start(instances: list[Instance]) -> tuple[Instance, float]:
    """Wait until one of them starts the job; return it, and when it did."""
    with selectors.DefaultSelector() as selector:
        for instance in instances:
            selector.register(instance.out, selectors.EVENT_READ, instance)
        found = selector.select(LIMIT)
        assert found, f"nobody started the job within {LIMIT:g} s"
        starter: Instance = found[0][0].data
        return starter, float(starter.out.readline())
