"""What schedulers are asked to do, and what is measured meanwhile; it runs in the process of a contestant."""

from __future__ import annotations

import gc
import importlib
import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from benchmarks.rounds import Figures

LEAD = 0.5
"""Seconds between the end of adding and the first job, as far as can be told before."""
WARM_UP = 2.0
"""Seconds after the first run until runs are counted."""
SLOW_START = 30.0
"""Seconds after which a first run is waited for no longer."""
ADDING = 150e-6
"""Seconds that adding a job may take before jobs are late for that."""


class Jobs(NamedTuple):
    """What is to run, and when.

    Attributes:
        number: How many jobs there are.
        first: When the first is due, in seconds since the epoch.
        step: How many seconds later each next one is due.
        period: After how many seconds a job is due again; `None` means never.
        note: What a sync job calls, with its number.
        url: The store, for schedulers that have one; the empty text means in memory.
    """

    number: int
    first: float
    step: float
    period: float | None
    note: Callable[[int], None]
    url: str = ""

    def due(self, number: int) -> float:
        """Return when a job is due first."""
        return self.first + number * self.step

    async def note_async(self, number: int) -> None:
        """Do what an async job does."""
        self.note(number)


Contestant = Callable[[Jobs], AbstractContextManager[object]]
"""Makes a block that adds all jobs at its begin and stops the scheduler at its end."""


def spread(
    contestant: str,
    number: int,
    period: float,
    *,
    seconds: float,
    url: str = "",
    together: bool = False,
    first: float | None = None,
) -> Figures:
    """Run jobs again and again; return what a run costs and how late it is, in microseconds; the latest in seconds.

    Args:
        contestant: What runs them.
        number: How many jobs there are.
        period: How often each is due, in seconds.
        seconds: How long runs are counted.
        url: The store, if it is not in memory.
        together: Whether all are due at the same instant; else their times are spread evenly.
        first: When the first is due; `None` means as soon as all are likely to be added.
    """
    ran: list[tuple[int, float]] = []
    now = time.time
    first = now() + LEAD + number * ADDING if first is None else first
    step = 0.0 if together else period / number
    jobs = Jobs(number, first, step, period, lambda job: ran.append((job, now())), url)
    with contestant_of(contestant)(jobs):
        time.sleep(max(0.0, first - now()))
        while not ran and now() < first + SLOW_START:
            time.sleep(0.01)
        time.sleep(WARM_UP)
        statements = counter_of(url)
        before, counted, cpu, begun = len(ran), statements(), time.process_time(), time.perf_counter()
        time.sleep(seconds)
        after, cpu, elapsed = len(ran), time.process_time() - cpu, time.perf_counter() - begun
        counted = statements() - counted
    late = sorted((at - jobs.due(job)) % period for job, at in ran[before:after])
    runs = len(late)
    figures = {"runs": float(runs), "runs/s": runs / elapsed, "CPU seconds": cpu}
    if not runs:
        return figures
    figures |= {"CPU": cpu / runs * 1e6, "late p50": late[runs // 2] * 1e6, "late p99": late[int(runs * 0.99)] * 1e6}
    figures["latest"] = late[-1]
    return figures | ({"statements": counted / runs} if url else {})


def herd(contestant: str, number: int) -> Figures:
    """Run jobs that are due at one instant; return the milliseconds until the last has started."""
    ran: list[float] = []
    now = time.time
    first = now() + 2 * LEAD + number * ADDING
    jobs = Jobs(number, first, 0.0, None, lambda _: ran.append(now()))
    with contestant_of(contestant)(jobs):
        assert now() < first, "adding took too long"
        time.sleep(first - now())
        while len(ran) < number and now() < first + 60:
            time.sleep(0.05)
    assert len(ran) == number, f"{len(ran)} of {number} ran"
    return {"last started": (max(ran) - first) * 1e3, "first started": (min(ran) - first) * 1e3}


def adding(contestant: str, number: int) -> Figures:
    """Add jobs that are due later; return the seconds that it took, and the bytes that each takes."""
    jobs = Jobs(number, time.time() + 3_600, 0.1, 86_400.0, lambda _: None)
    contest = contestant_of(contestant)
    with contest(jobs._replace(number=10)):
        pass  # what is imported and started once is not counted
    gc.collect()
    before, begun = resident(), time.perf_counter()
    with contest(jobs):
        took = time.perf_counter() - begun
        gc.collect()
        return {"seconds": took, "bytes": (resident() - before) / number, "each": took / number * 1e6}


def idle(contestant: str, number: int, seconds: float, url: str = "") -> Figures:
    """Keep jobs that are not due; return the wake-ups and the CPU of so long a time."""
    jobs = Jobs(number, time.time() + 3_600, 0.1, 86_400.0, lambda _: None, url)
    with contestant_of(contestant)(jobs):
        time.sleep(1.5)
        statements = counter_of(url)
        counted, used = statements(), resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(seconds)
        now = resource.getrusage(resource.RUSAGE_SELF)
        counted = statements() - counted
    # The sleep above is one switch itself.
    figures = {"wake-ups": float(now.ru_nvcsw - used.ru_nvcsw - 1), "CPU": (now.ru_utime - used.ru_utime) * 1e3}
    return figures | ({"statements/s": counted / seconds} if url else {})


def contestant_of(name: str) -> Contestant:
    """Return a contestant by its module and its function, such as `floors.threads`."""
    module, _, function = name.partition(".")
    contestant: Contestant = getattr(importlib.import_module(f"benchmarks.contestants.{module}"), function)
    return contestant


def counter_of(url: str) -> Callable[[], float]:
    """Return what tells how many statements the database of this URL has executed."""
    if not url:
        return lambda: 0.0
    from benchmarks.server import statements_of  # noqa: PLC0415 - contestants in memory need no driver

    return lambda: statements_of(url)


def resident() -> int:
    """Return the bytes of memory that this process has."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Rss:"))
