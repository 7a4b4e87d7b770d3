"""What a run costs in a scheduler that keeps everything in memory, and how late it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.effort import Effort
from benchmarks.processes import measure_load
from benchmarks.report import Bars, Goal, Report, figures_table
from benchmarks.rounds import Rounds, take_turns

NUMBER = 10_000
PERIOD = 2.0
SYNC = {
    "tasker": "ours.sync_jobs",
    "floor: heap, timer thread, pool": "floors.threads",
    "APScheduler 3": "apscheduler3.sync_jobs",
    "APScheduler 4": "apscheduler4.sync_jobs",
}
ASYNC = {
    "tasker": "ours.async_jobs",
    "floor: call_at, create_task": "floors.tasks",
    "APScheduler 3 on asyncio": "apscheduler3.async_jobs",
    "APScheduler 4": "apscheduler4.async_jobs",
}
DRIVER = (
    "most of it is the driver's, spread evenly over all that it does, as the profile below says; a floor without"
    " states, leases and history has none of that, so it takes compiled code"
)
COLUMNS = {
    "runs/s": "runs/s",
    "CPU": "CPU per run, µs",
    "late p50": "late, median, µs",
    "late p99": "late, 99 %, µs",
}


def measure(effort: Effort) -> Report:
    """Measure sync and async jobs."""
    sync, tasks = _measure(SYNC, effort), _measure(ASYNC, effort)
    floors = [name for name in (*SYNC, *ASYNC) if name.startswith("floor")]
    goals = [
        Goal("sync jobs: CPU per run", floors[0], sync.ratio("CPU", "tasker", floors[0]), 0.7, needed=DRIVER),
        Goal(
            "sync jobs: CPU per run", "APScheduler 3", sync.ratio("CPU", "tasker", "APScheduler 3"), 0.5, needed=DRIVER
        ),
        Goal(
            "async jobs: CPU per run",
            floors[1],
            tasks.ratio("CPU", "tasker", floors[1]),
            1.3,
            needed=f"{DRIVER}; on the loop, the task and what may cancel it are 10 µs where a bare task is 4, and one"
            " `call_soon_threadsafe` serves 18 runs, so that nothing is left to share there",
        ),
    ]
    return Report(
        "A scheduler in memory",
        f"{NUMBER:,} schedules, each every {PERIOD:g} s, their times spread evenly: {NUMBER / PERIOD:,.0f} jobs a"
        " second, each of which notes the time.\n"
        "CPU is that of the whole process; a scheduler that shows fewer runs could not keep up.",
        goals,
        ["Sync jobs:", figures_table(sync, COLUMNS), "Async jobs:", figures_table(tasks, COLUMNS)],
        [_bars("scheduling-sync", "sync", sync), _bars("scheduling-async", "async", tasks)],
    )


def _measure(contestants: Mapping[str, str], effort: Effort) -> Rounds:
    def program(contestant: str) -> partial[Mapping[str, float]]:
        return partial(
            measure_load,
            "spread",
            contestant,
            number=NUMBER,
            period=PERIOD,
            seconds=effort.seconds,
        )

    return take_turns({name: program(contestant) for name, contestant in contestants.items()}, effort.rounds)


def _bars(name: str, kind: str, rounds: Rounds) -> Bars:
    return Bars(name, f"CPU per {kind} run", "µs", rounds.medians("CPU"))
