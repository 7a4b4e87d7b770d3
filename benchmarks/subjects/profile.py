"""Where the time of a run goes: a profile of the driver of a scheduler in memory that always has more to do."""

# ruff: noqa: SLF001 - a profile looks inside

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import tasker
from benchmarks.effort import Effort
from benchmarks.processes import measure_apart
from benchmarks.report import Report, number, table
from benchmarks.rounds import Figures, take_turns
from tasker import schedule
from tasker._core import threads
from tasker.scheduler._runner import Runner
from tasker.scheduler._work import Work
from tasker.store import memory

NUMBER = 1_000
WARM_UP = 1.0
THREAD = "tasker-scheduler"
STAGES: dict[Callable[..., object], str] = {
    Work._wishes: "deciding what to ask for",
    memory.Store.claim: "the store's claim",
    Runner.start: "starting: the context, the lease, and handing it to a thread or a loop",
    Runner._note_end: "how it ended, and which slots that decides",
    memory.Store.finish: "the store's record",
    Runner._recorded: "the row as it is after",
    Work._consider: "when to look again",
}
"""The functions of the driver and of the store that share its work; none of them calls another."""
ALL: tuple[Callable[..., object], ...] = (Work.receive, Work.go_on)
REST = "messages, and all the rest"
DRIVER = "the driver in all"
PROCESS = "the whole process"


def measure(effort: Effort) -> Report:
    """Profile the driver while sync jobs run, and while async ones do."""
    kinds = {"sync jobs": False, "async jobs": True}
    rounds = take_turns(
        {
            kind: partial(measure_apart, __name__, "profile", is_async=is_async, seconds=effort.seconds)
            for kind, is_async in kinds.items()
        },
        effort.rounds,
    )
    rows: list[list[str]] = []
    for stage in (*STAGES.values(), REST, DRIVER, PROCESS):
        found = [rounds.of(kind, stage) for kind in kinds]
        rows.append([stage, *("–" if spread is None else number(spread.median) for spread in found)])
    return Report(
        "Where the time of a run goes",
        f"{NUMBER:,} schedules in memory that are always due, and the time of the processor for each run, in µs.\n"
        "The driver's is divided as `cProfile` divides it in a run of its own.",
        [],
        [table(["what", *kinds], rows)],
    )


def profile(*, is_async: bool, seconds: float) -> Figures:
    """Return the microseconds of each stage for a run."""
    used = _used(is_async, seconds)
    profiler = cProfile.Profile()
    _profile_drivers(profiler)
    _used(is_async, seconds)
    shares = _shares(profiler)
    return {stage: share * used[DRIVER] for stage, share in shares.items()} | used


def _used(is_async: bool, seconds: float) -> dict[str, float]:  # noqa: FBT001 - one of two kinds
    """Return the microseconds of the processor that a run takes."""
    runs = 0

    def note() -> None:
        nonlocal runs
        runs += 1

    async def note_async() -> None:
        note()

    scheduler = tasker.Scheduler()
    always = schedule.Interval(seconds=0.001)
    for job in range(NUMBER):
        scheduler.add(str(job), always, note_async if is_async else note)
    with tasker.background(scheduler):
        time.sleep(WARM_UP)
        driver = next(thread.ident for thread in threading.enumerate() if thread.name == THREAD)
        clock = time.pthread_getcpuclockid(driver or 0)
        ran, process, thread = runs, time.process_time(), time.clock_gettime(clock)
        time.sleep(seconds)
        ran, process, thread = runs - ran, time.process_time() - process, time.clock_gettime(clock) - thread
    return {DRIVER: thread / ran * 1e6, PROCESS: process / ran * 1e6}


def _profile_drivers(profiler: cProfile.Profile) -> None:
    """Have the threads of all drivers that start from now on profiled."""
    start = threads.start

    def start_profiled(name: str, target: Callable[[], object]) -> threading.Thread:
        return start(name, partial(profiler.runcall, target) if name == THREAD else target)

    threads.start = start_profiled


def _shares(profiler: cProfile.Profile) -> dict[str, float]:
    """Return which part of the driver's time each stage takes."""
    stats: Any = pstats.Stats(profiler)
    taken = {place: figures[3] for place, figures in stats.stats.items()}
    whole = sum(taken[_place(function)] for function in ALL)
    shares = {stage: taken[_place(function)] / whole for function, stage in STAGES.items()}
    return {**shares, REST: 1 - sum(shares.values())}


def _place(function: Any) -> tuple[str, int, str]:  # noqa: ANN401 - any function
    """Return how a profile names a function."""
    code = function.__code__
    return code.co_filename, code.co_firstlineno, code.co_name
