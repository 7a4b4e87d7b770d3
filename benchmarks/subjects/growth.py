"""What a run costs as there are more schedules, and more instances."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_load
from benchmarks.report import Goal, Plot, Report, figures_table
from benchmarks.rounds import Figures, Rounds, take_turns
from benchmarks.server import postgresql
from tests._support.postgres import PostgresServer

NUMBERS = (10, 100, 1_000, 10_000, 100_000)
RATE = 1_000
INSTANCES = (1, 2, 4, 8, 16)
SHARED = 200
START_UP = 1.5
CPU = {"CPU": "CPU per run, µs", "runs/s": "runs/s"}


def measure(effort: Effort) -> Report:
    """Measure both."""
    schedules = take_turns(
        {f"{number:,}": partial(_schedules, number, effort.seconds) for number in NUMBERS}, _few(effort)
    )
    with postgresql() as server:
        instances = take_turns(
            {f"{count}": partial(_instances, server, count, effort.seconds) for count in INSTANCES}, _few(effort)
        )
    return Report(
        "Growth",
        f"At {RATE:,} runs a second in memory, whatever the number of schedules; and {SHARED} schedules, each of them"
        " due each second, shared by instances on PostgreSQL, whose CPU is that of all of them together.",
        [
            Goal("10 → 100,000 schedules: CPU per run", "10", schedules.ratio("CPU", "100,000", "10"), 2.0),
            Goal(
                "1 → 16 instances: CPU per run",
                "1",
                instances.ratio("CPU", "16", "1"),
                2.0,
                needed="each instance asks once, a few times a second for all together, for each slot that another has"
                " run, since only by asking does it learn that it was run: some 25 µs for each of 15, where a run alone"
                " takes 200; who asked for fewer would notice too late that another has died",
            ),
        ],
        [
            figures_table(schedules, CPU, "schedules"),
            figures_table(instances, {**CPU, "statements": "statements per run"}, "instances"),
        ],
        [
            _plot("growth-schedules", "schedules", schedules),
            _plot("growth-instances", "instances", instances),
        ],
    )


def _few(effort: Effort) -> int:
    return max(1, effort.rounds // 2)


def _schedules(number: int, seconds: float) -> Figures:
    return measure_load(
        "spread",
        "ours.sync_jobs",
        number=number,
        period=number / RATE,
        seconds=seconds,
    )


def _instances(server: PostgresServer, count: int, seconds: float) -> Figures:
    with server.database() as name, ThreadPoolExecutor(count) as pool:
        run = partial(
            measure_load,
            "spread",
            "ours.sync_jobs",
            number=SHARED,
            period=1.0,
            seconds=seconds,
            url=server.url(name),
            first=float(round(time.time() + 3 + count * START_UP)),
        )
        found = [each.result() for each in [pool.submit(run) for _ in range(count)]]
    runs = sum(each["runs"] for each in found)
    # Each has counted the statements of all.
    statements = max(each.get("statements", 0.0) * each["runs"] for each in found)
    return {
        "CPU": sum(each["CPU seconds"] for each in found) / runs * 1e6,
        "runs/s": runs / seconds,
        "statements": statements / runs,
    }


def _plot(name: str, x: str, rounds: Rounds) -> Plot:
    return Plot(name, f"CPU per run as there are more {x}, µs", x, rounds.medians("CPU"))
