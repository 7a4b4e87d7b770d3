"""What ten thousand schedules cost; measured in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import gc, resource, sys, threading, time
from datetime import UTC, datetime, timedelta
import tasker
from tasker import Run, Scheduler, schedule

scheduler = Scheduler()
"""


def run(program: str) -> list[float]:
    """Run a program that prints numbers, and return these."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.slow
def test_ten_thousand_schedules_use_one_thread_and_little_memory() -> None:
    megabytes, threads, known = run("""
        def resident():
            gc.collect()
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


        def work():
            pass


        def measure(ctx):
            ctx.sleep(0.5)  # all threads but the scheduler's are there
            threads, before = threading.active_count(), resident()
            for number in range(10_000):
                scheduler.add(f"job {number}", schedule.Daily(hour=number % 24, tz="UTC"), work)
            while len(scheduler.states()) < 10_000:
                ctx.sleep(0.1)
            print(resident() - before, threading.active_count() - threads, len(scheduler.states()))
            sys.exit(0)


        tasker.run(tasker.concurrence(scheduler, measure))
    """)

    assert known == 10_000
    assert threads == 1
    assert megabytes < 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_ten_thousand_that_are_due_at_once_are_all_run_once(kind: str) -> None:
    runs, different, most, threads = run(f"""
        ran, running, most = [], 0, 0


        {kind} work():
            global running, most
            running += 1
            most = max(most, running)
            ran.append(Run.current().schedule_id)
            running -= 1


        def watch(ctx):
            while len(ran) < 10_000:
                ctx.sleep(0.1)
            ctx.sleep(0.5)
            print(len(ran), len(set(ran)), most, threading.active_count())
            sys.exit(0)


        once = schedule.At(datetime.now(UTC) + timedelta(seconds=4))
        for number in range(10_000):
            scheduler.add(f"job {{number}}", once, work)
        tasker.run(tasker.concurrence(scheduler, watch))
    """)

    assert (runs, different) == (10_000, 10_000)
    assert most <= 64
    assert threads < 70
