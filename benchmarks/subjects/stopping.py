"""How long it takes to stop ten thousand tasks that wait."""

from __future__ import annotations

import asyncio
import time

import tasker
from benchmarks.effort import Effort
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, take_turns
from tasker import Context

NUMBER = 10_000


def measure(effort: Effort) -> Report:
    """Measure the time from the end of the context until everything has ended."""
    rounds = take_turns({"tasker": _ours, "asyncio": _floor}, effort.many)
    return Report(
        "Stopping",
        f"{NUMBER:,} async tasks that wait, from the request to stop until the event loop is closed.\n"
        "The floor is what `asyncio.run` does with the tasks that are left: it cancels all, and waits for them.",
        [Goal("stop of 10,000 waiting tasks", "asyncio.run", rounds.ratio("ms", "tasker", "asyncio"), 2.0)],
        [figures_table(rounds, {"ms": "ms"})],
    )


async def _wait() -> None:
    await asyncio.sleep(3_600)


def _ours() -> Figures:
    ctx = Context.background().with_cancel()
    begun = 0.0

    async def stop() -> None:
        nonlocal begun
        await asyncio.sleep(0.05)  # the others are waiting then
        begun = time.perf_counter()
        ctx.cancel()

    try:
        tasker.concurrence(*[_wait] * NUMBER, stop).run(ctx)
    except tasker.Cancelled:
        pass
    return {"ms": (time.perf_counter() - begun) * 1e3}


def _floor() -> Figures:
    begun = 0.0

    async def program() -> None:
        nonlocal begun
        tasks = [asyncio.create_task(_wait()) for _ in range(NUMBER)]
        await asyncio.sleep(0.05)
        begun = time.perf_counter()
        assert len(tasks) == NUMBER

    asyncio.run(program())
    return {"ms": (time.perf_counter() - begun) * 1e3}
