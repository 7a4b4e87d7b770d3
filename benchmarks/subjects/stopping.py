"""How long it takes to stop ten thousand tasks that wait."""

from __future__ import annotations

import asyncio

import tasker
from benchmarks.effort import Effort
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, take_turns
from benchmarks.stopwatch import Stopwatch
from tasker import Context

NUMBER = 10_000


def measure(effort: Effort) -> Report:
    """Measure the time from the end of the context until everything has ended."""
    rounds = take_turns({"tasker": _ours, "asyncio": _floor}, effort.many)
    return Report(
        "Stopping",
        f"{NUMBER:,} async tasks that wait, from the request to stop until the event loop is closed.\n"
        "The floor is what `asyncio.run` does with the tasks that are left: it cancels all, and waits for them.\n"
        "The goal is judged by the time of the processor.",
        [Goal("stop of 10,000 waiting tasks", "asyncio.run", rounds.ratio("CPU", "tasker", "asyncio"), 2.0)],
        [figures_table(rounds, {"CPU": "CPU, ms", "wall": "time, ms"})],
    )


async def _wait() -> None:
    await asyncio.sleep(3_600)


def _ours() -> Figures:
    ctx = Context.background().with_cancel()
    watch = Stopwatch()

    async def stop() -> None:
        nonlocal watch
        await asyncio.sleep(0.05)  # the others are waiting then
        watch = Stopwatch()
        ctx.cancel()

    try:
        tasker.concurrence(*[_wait] * NUMBER, stop).run(ctx)
    except tasker.Cancelled:
        pass
    return watch.per(1e-3)


def _floor() -> Figures:
    watch = Stopwatch()

    async def program() -> None:
        nonlocal watch
        tasks = [asyncio.create_task(_wait()) for _ in range(NUMBER)]
        await asyncio.sleep(0.05)
        watch = Stopwatch()
        assert len(tasks) == NUMBER

    asyncio.run(program())
    return watch.per(1e-3)
