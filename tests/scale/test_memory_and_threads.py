"""What ten thousand tasks cost; measured in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests._support.leftovers import eventually

MEASURING = """
import asyncio, gc, resource, sys, threading
import tasker
from tasker import schedule


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def report(before):
    gc.collect()
    print(f"{resident() - before:.1f} {threading.active_count()}")


tasker.run(lambda: None)
asyncio.run(asyncio.sleep(0))
"""


def measure(program: str) -> tuple[float, int]:
    """Run a program that ends with `report(before)`; return its MiB over the empty program, and its threads."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURING + textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    megabytes, threads = done.stdout.split()
    return float(megabytes), int(threads)


KINDS = {
    "sync": "def work():\n    global runs\n    runs += 1\n",
    "async": "async def work():\n    global runs\n    runs += 1\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_repeated_tasks_use_few_threads_and_little_memory(kind: str) -> None:
    program = KINDS[kind] + textwrap.dedent("""
        runs = 0
        before = resident()


        async def watch(ctx):
            while runs < 20_000:
                await asyncio.sleep(0.01)
            report(before)
            raise SystemExit(0)


        tasks = [tasker.with_repeat(schedule.Interval(seconds=0.5), work) for _ in range(10_000)]
        tasker.main(watch, *tasks)
        """)

    megabytes, threads = measure(program)

    assert threads < 64
    assert megabytes < 60


@pytest.mark.slow
def test_ten_thousand_deadlines_use_one_thread_and_little_memory() -> None:
    megabytes, threads = measure("""
        before = resident()
        background = tasker.Context.background()
        contexts = [background.with_timeout(3600) for _ in range(10_000)]
        report(before)
    """)

    assert threads == 2  # the main thread, and the clock
    assert megabytes < 15


@pytest.mark.slow
def test_ten_thousand_deadlines_that_pass_at_once_end_their_contexts() -> None:
    from tasker import Context

    contexts = [Context.background().with_timeout(0.05) for _ in range(10_000)]

    eventually(lambda: all(ctx.done for ctx in contexts), "contexts did not end")
