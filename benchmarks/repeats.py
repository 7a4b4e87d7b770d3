"""Ten thousand tasks that repeat on one loop; it runs in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import tasker
from benchmarks.loads import resident
from benchmarks.rounds import Figures
from tasker import schedule

Count = Callable[[], Coroutine[Any, Any, None]]
Start = Callable[[int, float, float, Count], Coroutine[Any, Any, object]]


def repeats(way: str, number: int, period: float, seconds: float) -> Figures:
    """Return the CPU per run, and the memory per task."""
    return asyncio.run(_measure({"tasker": _ours, "asyncio": _floor}[way], number, period, seconds))


async def _measure(start: Start, number: int, period: float, seconds: float) -> Figures:
    runs = 0

    async def count() -> None:
        nonlocal runs
        runs += 1

    tasker.concurrence, tasker.with_repeat, gc.collect()
    before = resident()
    first = time.time() + 2.0
    running = asyncio.create_task(start(number, first, period, count))  # type: ignore[arg-type]
    await asyncio.sleep(first - time.time() + period / 2)
    begun, cpu, counted = time.perf_counter(), time.process_time(), runs
    await asyncio.sleep(seconds)
    cpu, counted, elapsed = time.process_time() - cpu, runs - counted, time.perf_counter() - begun
    gc.collect()
    memory = resident() - before
    running.cancel()
    return {"runs/s": counted / elapsed, "CPU": cpu / counted * 1e6, "bytes": memory / number}


async def _ours(number: int, first: float, period: float, count: Count) -> None:
    step = period / number
    slots = [datetime.fromtimestamp(first + step * each, UTC) for each in range(number)]
    together = tasker.concurrence(
        *[tasker.with_repeat(schedule.Interval(seconds=period, anchor=slot), count) for slot in slots]
    )
    await together()


async def _floor(number: int, first: float, period: float, count: Count) -> None:
    async def repeat(due: float) -> None:
        while True:
            await asyncio.sleep(due - time.time())
            await count()
            due += period

    async with asyncio.TaskGroup() as group:
        for each in range(number):
            group.create_task(repeat(first + period / number * each))
