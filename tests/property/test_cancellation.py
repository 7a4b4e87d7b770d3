"""Eleven thousand cancellations, each at a moment of its own, leave nothing behind and lose no error.

Who cancels: the asyncio task around it, a deadline of a context above, a sibling that fails, Ctrl-C.
When: after 0 to 20 turns of the loop, or after some microseconds.
What: trees of sync and async tasks that clean up, fail, or nest on the way.
"""

from __future__ import annotations

import asyncio
import gc
import random
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import tasker
from tasker import Backoff, Cancelled, Context, Retry, TaskLike, concurrence, run, schedule, sequence, to_task
from tasker.combinators._retry import retrying
from tasker.store.memory import LockerFactory
from tests._support.leftovers import hooks, nothing_left_behind, tasks_of_loop
from tests._support.tasks import Boom, until_the_end, until_the_end_async

BACKGROUND = Context.background()
TICKS = range(21)


class Tasks:
    """Makes trees, and counts what begins, what ends, and which errors were raised in them."""

    def __init__(self, lockers: LockerFactory) -> None:
        self.begun = 0
        self.ended = 0
        self.raised: list[Boom] = []
        self._lockers = lockers

    def sync(self, ctx: Context) -> None:
        self.begun += 1
        ctx.wait()
        self.ended += 1
        ctx.raise_if_done()

    async def cleans_up(self) -> None:
        self.begun += 1
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.ended += 1

    async def fails_while_leaving(self) -> None:
        self.begun += 1
        try:
            await asyncio.sleep(3600)
        finally:
            self.ended += 1
            self.raised.append(Boom())
            raise self.raised[-1]

    async def steps(self) -> None:
        self.begun += 1
        try:
            for _ in range(100):
                await asyncio.sleep(0)
        finally:
            self.ended += 1

    async def fails_again_and_again(self) -> None:
        self.begun += 1
        try:
            await asyncio.sleep(0)
        finally:
            self.ended += 1
            self.raised.append(Boom())
            raise self.raised[-1]

    def fails(self) -> None:
        self.raised.append(Boom())
        raise self.raised[-1]

    async def handles(self, error: Exception) -> None:
        await self.steps()
        self.forget(error)

    def handles_sync(self, error: Exception, ctx: Context) -> None:
        ctx.sleep(0.001)
        self.forget(error)

    async def sees_its_end(self, ctx: Context) -> None:
        self.begun += 1
        try:
            await ctx.wait_async()
            await asyncio.sleep(0)
        finally:
            self.ended += 1

    async def block(self) -> None:
        async with tasker.background(self.cleans_up, self.sync, self.steps):
            await self.cleans_up()

    async def failing_block(self) -> None:
        async with tasker.background(self.fails_while_leaving, self.sync):
            await asyncio.sleep(3600)

    def sync_block(self) -> None:
        with tasker.background(self.cleans_up, self.sync) as ctx:
            self.sync(ctx)

    def forget(self, error: BaseException) -> None:
        """Note that an error is not raised any more, since it was handled, or what failed is run again."""
        self.raised = [each for each in self.raised if each is not error]

    def nests(self, ctx: Context) -> None:
        concurrence(self.cleans_up, self.sync).run(ctx)

    async def nests_async(self, ctx: Context) -> None:
        await sequence(self.steps, self.sync)(ctx)

    async def groups(self, ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(to_task(self.cleans_up)(ctx))
            group.create_task(to_task(self.sync)(ctx))

    def tree(self, kind: str) -> tasker.Task:
        server = BACKGROUND.with_cancel()
        trees: dict[str, Callable[[], tasker.Task]] = {
            "sync": lambda: to_task(self.sync),
            "async": lambda: to_task(self.cleans_up),
            "failing": lambda: concurrence(self.fails_while_leaving, self.sync),
            "steps": lambda: sequence(self.steps, self.steps, self.sync),
            "concurrence": lambda: concurrence(self.sync, self.cleans_up, concurrence(self.steps, self.sync)),
            "nested": lambda: concurrence(self.nests, self.nests_async),
            "group": lambda: to_task(self.groups),
            "timeout": lambda: tasker.with_timeout(3600, concurrence(self.cleans_up, self.sync)),
            "repeat": lambda: concurrence(*[tasker.with_repeat(schedule.Interval(seconds=1e-6), self.steps)] * 2),
            "shutdown": lambda: tasker.with_shutdown(server.wait, server.cancel),
            "retry": lambda: tasker.with_retry(sequence(self.steps, self.cleans_up)),
            "retries": lambda: retrying(
                to_task(self.fails_again_and_again),
                Retry(attempts=None, backoff=Backoff(initial=1e-6)),
                on_retry=lambda _, error, __: self.forget(error),
            ),
            "grace": lambda: tasker.with_grace(3600, concurrence(self.sees_its_end, sequence(self.sees_its_end))),
            "short grace": lambda: tasker.with_grace(1e-4, concurrence(self.cleans_up, sequence(self.cleans_up))),
            "block": lambda: to_task(self.block),
            "failing block": lambda: to_task(self.failing_block),
            "sync block": lambda: to_task(self.sync_block),
            "on_error": lambda: tasker.on_error(sequence(self.steps, self.cleans_up), lambda error: None),
            "handler": lambda: sequence(tasker.on_error(self.fails_again_and_again, self.handles), self.cleans_up),
            "sync handler": lambda: sequence(
                tasker.on_error(self.fails_again_and_again, self.handles_sync), self.cleans_up
            ),
            "handler in one thread": lambda: sequence(tasker.on_error(self.fails, self.handles_sync), self.sync),
            "signals": lambda: concurrence(
                tasker.with_signal_notify(self.cleans_up, signal.SIGTERM),
                tasker.with_signal_notify(self.sync, signal.SIGUSR2),
            ),
            "lock": lambda: tasker.with_no_overlap(
                self._lockers.locker_for(str(id(self))), concurrence(self.cleans_up, self.sync)
            ),
        }
        return trees[kind]()


KINDS = [
    *"sync async failing steps concurrence nested group timeout repeat shutdown on_error".split(),  # noqa: SIM905
    *["retry", "retries", "grace", "short grace", "block", "failing block", "sync block"],
    *["handler", "sync handler", "handler in one thread", "signals", "lock"],
]


def errors_in(error: BaseException | None) -> list[BaseException]:
    """Return the errors that are no groups in what was raised."""
    if isinstance(error, BaseExceptionGroup):
        return [inner for each in error.exceptions for inner in errors_in(each)]
    return [] if error is None else [error]


async def outcome(task: tasker.Task, ctx: Context | None = None) -> BaseException | None:
    try:
        await task(ctx)
    except BaseException as error:
        return error
    return None


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def check(tasks: Tasks, error: BaseException | None, *allowed: type[BaseException]) -> None:
    """Check that all that began has ended, and that what was raised holds every error and nothing unknown."""
    assert tasks.begun == tasks.ended
    raised = errors_in(error)
    assert {id(each) for each in raised if isinstance(each, Boom)} == {id(each) for each in tasks.raised}
    assert [each for each in raised if not isinstance(each, (Boom, *allowed))] == []


async def cancelled_from_outside(tasks: Tasks, kind: str, ticks: int) -> None:
    running = asyncio.ensure_future(outcome(tasks.tree(kind)))
    await turns(ticks)
    running.cancel()
    try:
        error = await running
    except asyncio.CancelledError:
        assert ticks == 0  # it had not begun
        return
    assert running.cancelling() == 1
    assert error is not None
    check(tasks, error, asyncio.CancelledError)


async def cancelled_by_a_context_above(tasks: Tasks, kind: str, ticks: int) -> None:
    with BACKGROUND.with_cancel() as ctx:
        running = asyncio.ensure_future(outcome(tasks.tree(kind), ctx))
        await turns(ticks)
        ctx.cancel()
        check(tasks, await running, Cancelled)
        assert hooks(ctx) == 0


async def cancelled_by_a_deadline_above(tasks: Tasks, kind: str, ticks: int) -> None:
    with BACKGROUND.with_timeout(ticks * 37e-6) as ctx:
        check(tasks, await outcome(tasks.tree(kind), ctx), Cancelled)


async def cancelled_by_asyncio_timeout(tasks: Tasks, kind: str, ticks: int) -> None:
    error: BaseException | None = None
    try:
        async with asyncio.timeout(ticks * 37e-6):
            await tasks.tree(kind)()
    except BaseException as caught:
        error = caught
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    check(tasks, error, TimeoutError)


async def cancelled_by_a_sibling(tasks: Tasks, kind: str, ticks: int) -> None:

    async def fails() -> None:
        await turns(ticks)
        tasks.raised.append(Boom())
        raise tasks.raised[-1]

    check(tasks, await outcome(concurrence(tasks.tree(kind), fails)))


WAYS = [
    cancelled_from_outside,
    cancelled_by_a_context_above,
    cancelled_by_a_deadline_above,
    cancelled_by_asyncio_timeout,
    cancelled_by_a_sibling,
]

# 23 kinds, 5 ways, 21 moments: four times over and the nineteen hundred of Ctrl-C make eleven thousand.
ROUNDS = 4


@pytest.mark.slow
@pytest.mark.parametrize("cancelled", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancellation_at_any_moment_leaves_nothing_behind(
    cancelled: Callable[[Tasks, str, int], Coroutine[Any, Any, None]], kind: str
) -> None:
    draw = random.Random(f"{cancelled.__name__} {kind}")
    lockers = LockerFactory()

    async def all_of_them() -> None:
        reports: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        for _ in range(ROUNDS):
            for ticks in draw.sample(TICKS, len(TICKS)):
                async with asyncio.timeout(30):
                    await cancelled(Tasks(lockers), kind, ticks)
        assert tasks_of_loop() == set()
        gc.collect()
        assert reports == []

    with nothing_left_behind(lockers=lockers):
        asyncio.run(all_of_them())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_at_any_moment_leaves_nothing_behind(kind: str) -> None:
    lockers = LockerFactory()
    with nothing_left_behind(lockers=lockers):
        for round_ in range(4):
            for ticks in TICKS:
                interrupted_after(Tasks(lockers), ticks, kind, through_notify=bool(round_ % 2))


def interrupted_after(tasks: Tasks, ticks: int, kind: str, *, through_notify: bool) -> None:
    async def interrupts() -> None:
        await turns(ticks)
        signal.raise_signal(signal.SIGINT)

    task: TaskLike = concurrence(tasks.tree(kind), interrupts)
    error: BaseException | None = None
    try:
        run(tasker.with_signal_notify(task) if through_notify else task)
    except BaseException as caught:
        error = caught
    if not (through_notify or tasks.raised):
        assert type(error) is KeyboardInterrupt
    check(tasks, error, KeyboardInterrupt)


@pytest.mark.slow
def test_many_trees_cancelled_at_once_leave_nothing_behind() -> None:
    lockers = LockerFactory()

    async def all_of_them() -> None:
        with BACKGROUND.with_cancel() as ctx:
            tasks = [Tasks(lockers) for _ in range(200)]
            trees = [each.tree(KINDS[number % len(KINDS)]) for number, each in enumerate(tasks)]
            running = [asyncio.ensure_future(outcome(tree, ctx)) for tree in trees]
            await turns(5)
            ctx.cancel()
            for each, ended in zip(tasks, running, strict=True):
                check(each, await ended, Cancelled)
            assert hooks(ctx) == 0
        assert tasks_of_loop() == set()

    with nothing_left_behind(lockers=lockers):
        asyncio.run(all_of_them())


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async, concurrence(until_the_end, until_the_end_async)])
def test_what_waits_for_the_end_does_not_spin(task: TaskLike) -> None:
    turns_of_the_loop = 0

    class Loop(asyncio.SelectorEventLoop):
        def _run_once(self) -> None:
            nonlocal turns_of_the_loop
            turns_of_the_loop += 1
            super()._run_once()  # type: ignore[misc]

    with BACKGROUND.with_timeout(0.05) as ctx, pytest.raises(Cancelled):
        run(concurrence(task), ctx, loop_factory=Loop)

    assert turns_of_the_loop < 30
