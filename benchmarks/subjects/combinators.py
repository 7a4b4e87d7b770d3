"""What the combinators cost: tasks at the same time, one after another, and in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import tasker
from benchmarks.effort import Effort
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, Rounds, Spread, take_turns
from benchmarks.stopwatch import Stopwatch
from tasker import Context

NUMBER = 1_000
MICROSECOND = NUMBER / 1e6
US = {"CPU": "CPU for each task, µs", "wall": "time for each task, µs"}
Way = Callable[[], Awaitable[object]]


def no_op() -> None:
    """Do nothing."""


async def no_op_async() -> None:
    """Do nothing, either."""


def measure(effort: Effort) -> Report:
    """Measure each combinator beside the least that does the same."""
    at_once = _compare(effort, {"tasker": _concurrence(no_op_async), "asyncio.TaskGroup": _task_group})
    in_threads = _compare(effort, {"tasker": _concurrence(no_op), "run_in_executor": _executor})
    trips = _compare(effort, {"tasker": _trips, "run_in_executor": _executor_trips})
    in_turn = take_turns({"tasker": _sequence, "calls": _calls}, effort.many)
    return Report(
        "Combinators",
        f"{NUMBER:,} tasks that do nothing. Goals are judged by the time of the processor, that of all threads.",
        [
            Goal("`concurrence` of async tasks", "TaskGroup", _ratio(at_once, "asyncio.TaskGroup"), 1.5),
            Goal("`concurrence` of sync tasks", "run_in_executor", _ratio(in_threads, "run_in_executor"), 0.5),
            Goal(
                "a sync task's round trip from the loop",
                "run_in_executor",
                _ratio(trips, "run_in_executor"),
                0.6,
                needed="handing a call to a thread that waits, and its answer to the loop by `call_soon_threadsafe`,"
                " takes most of that already; the loop would have to be woken in another way",
            ),
            Goal(
                "`sequence` of sync tasks",
                "calling them",
                in_turn.difference("CPU", "tasker", "calls"),
                1.0,
                "µs more for each",
                needed="a coroutine is made and driven for each, its context is set and taken back, and what the thread"
                " does is noted for the report of what is stuck",
            ),
        ],
        [
            f"{title}:\n\n{figures_table(rounds, US)}"
            for title, rounds in (
                ("Async tasks at the same time", at_once),
                ("Sync tasks at the same time", in_threads),
                ("One sync task at a time, from the loop", trips),
                ("Sync tasks one after another, in one thread", in_turn),
            )
        ],
    )


def _ratio(rounds: Rounds, other: str) -> Spread | None:
    return rounds.ratio("CPU", "tasker", other)


def _compare(effort: Effort, ways: dict[str, Way]) -> Rounds:
    """Measure ways of doing things on a loop, in turns; every one has been warmed up."""

    async def timed(way: Way) -> Figures:
        await way()
        watch = Stopwatch()
        await way()
        return watch.per(MICROSECOND)

    def program(way: Way) -> Callable[[], Figures]:
        return lambda: asyncio.run(timed(way))

    return take_turns({name: program(way) for name, way in ways.items()}, effort.many)


def _concurrence(task: tasker.TaskLike) -> Way:
    together = tasker.concurrence(*[task] * NUMBER)
    return lambda: together(Context.background())


async def _task_group() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(NUMBER):
            group.create_task(no_op_async())


async def _executor() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*[loop.run_in_executor(None, no_op) for _ in range(NUMBER)])


async def _trips() -> None:
    task, ctx = tasker.to_task(no_op), Context.background()
    for _ in range(NUMBER):
        await task(ctx)


async def _executor_trips() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(NUMBER):
        await loop.run_in_executor(None, no_op)


def _sequence() -> Figures:
    sequence = tasker.sequence(*[no_op] * NUMBER)
    return _timed(sequence.run)


def _calls() -> Figures:
    tasks = [no_op] * NUMBER

    def call() -> None:
        for task in tasks:
            task()

    return _timed(call)


def _timed(call: Callable[[], object]) -> Figures:
    watch = Stopwatch()
    call()
    return watch.per(MICROSECOND)
