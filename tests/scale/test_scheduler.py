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


TEN_THOUSAND = """
def resident():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def work():
    pass


def measure(ctx):
    schedule.Daily(tz="UTC")  # what is imported for the first is no cost of the others
    ctx.sleep(0.5)  # all threads but the scheduler's are there
    threads, before = threading.active_count(), resident()
    for number in range(10_000):
        scheduler.add(f"job {number}", schedule.Daily(hour=number % 24, tz="UTC"), work)
    while len(scheduler.states()) < 10_000:
        ctx.sleep(0.1)
    print(resident() - before, threading.active_count() - threads, len(scheduler.states()))
    sys.exit(0)


tasker.run(tasker.concurrence(scheduler, measure))
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
    runs = [run(TEN_THOUSAND) for _ in range(3)]

    assert [(threads, known) for _, threads, known in runs] == [(1, 10_000)] * 3
    # How much more the allocator keeps of what was freed differs from run to run.
    assert min(megabytes for megabytes, _, _ in runs) < 15


@pytest.mark.slow
def test_a_schedule_that_is_waited_for_costs_at_most_600_bytes() -> None:
    added, driven, rows = run("""
        import tracemalloc
        from tasker.ports import Definition
        from tasker.store import memory


        def taken():
            gc.collect()
            return tracemalloc.get_traced_memory()[0]


        def work():
            pass


        def measure(ctx):
            while len(store.states()) < 10_000:
                ctx.sleep(0.1)
            ctx.sleep(0.5)  # the states are only being read
            running = taken() - base - added
            alone = memory.Store()
            before = taken()
            alone.register([Definition(id, rule) for id in ids])
            rows = taken() - before
            print(added / 10_000, (running - rows) / 10_000, rows / 10_000)
            sys.exit(0)


        ids = [f"job {number}" for number in range(10_000)]
        daily, store = schedule.Daily(hour=4, tz="UTC"), memory.Store()
        rule, scheduler = str(daily), Scheduler(store)
        tracemalloc.start()
        base = taken()
        for id in ids:
            scheduler.add(id, daily, work)
        added = taken() - base
        tasker.run(tasker.concurrence(scheduler, measure))
    """)

    assert added < 450
    assert driven < 600
    assert rows < 300


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
