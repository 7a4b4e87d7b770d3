"""The bridge between sync and async: the only file in which a task changes from one to the other.

- On a loop, `perform` and `start` run a task: async calls of the user in asyncio tasks of their own, trees that run in
  one thread in a worker thread, everything else in the coroutine at hand.
- In a plain thread, `run_here` runs a task: by driving it, on the loop that the thread works for, or on a new loop.

An asyncio task that waits for tasks may be cancelled natively, by the user from outside or by a loop that ends. That
never ends the waiting: it is noted, passed on to what is waited for, and raised when everything has ended.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tasker._core import clock, loops, threads, waiting
from tasker._core.context import AtEnd, Context, Scope, cancelled_by
from tasker._core.grace import grace_of
from tasker._core.leaving import Outcome, is_cancellation
from tasker._core.mailbox import Mailbox, mailbox_of
from tasker.errors import Cancelled

if TYPE_CHECKING:
    from tasker._core.task import Task

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class _Here(threading.local):
    home: Mailbox | None = None
    """The loop for which this worker thread works now."""
    loop_factory: LoopFactory | None = None
    """What makes a loop for what is async in the sync tree that this plain thread runs now."""


_here = _Here()


def home_here() -> Mailbox | None:
    """Return the loop for which this thread works; `None` if it does not work for one."""
    return _here.home


def loop_factory_here() -> LoopFactory | None:
    """Return what makes a loop for a tree that this thread runs; `None` means the default loop."""
    return _here.loop_factory


class Completion:
    """A place on a loop to wait for something that ends elsewhere; made and used in the loop's thread."""

    __slots__ = ("_future", "_loop", "is_done", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[None] | None = None
        self.is_done = False
        self.outcome: Outcome = None

    def finish(self, outcome: Outcome = None) -> None:
        """Note how it ended, and let the waiting coroutine go on."""
        self.is_done = True
        self.outcome = outcome
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, interrupt: Callable[[], object]) -> CancelledError | None:
        """Wait for the end, whatever happens.

        Args:
            interrupt: Called when the waiting task is cancelled natively, to pass that on.

        Returns:
            The first native cancellation that came while waiting; the caller raises it unless it has something worse.
        """
        first: CancelledError | None = None
        while not self.is_done:
            self._future = self._loop.create_future()
            try:
                await self._future
            except CancelledError as error:
                first = first or error
                interrupt()
        return first


def perform(task: Task, ctx: Context) -> Coroutine[Any, Any, None]:
    """Run a task as a part of the task at hand, when awaited; raise what leaves it."""
    if task.runs_in_one_thread and waiting.loop_runs_here():
        return settle(task, ctx, None)
    return task._body(ctx)


async def await_all(task: Task, parent: Context) -> None:
    """Run a task as a whole: what cancels the caller natively ends the contexts of everything in it."""
    with Scope(parent) as scope:

        def interrupt() -> None:
            scope.end(Cancelled("the awaiting asyncio task was cancelled"))

        await settle(task, scope.ctx, interrupt)


async def settle(task: Task, ctx: Context, interrupt: Callable[[], object] | None) -> None:
    """Start a task, wait for its end, and raise what leaves it."""
    mailbox = mailbox_of(asyncio.get_running_loop())
    completion = Completion(mailbox.loop)
    running = start(task, ctx, mailbox, completion.finish)
    if running is None:
        interruption = await completion.wait(interrupt or _nothing)
    elif task.is_cancelled_natively:
        with cancelled_at_end(running, ctx, mailbox):
            interruption = await completion.wait(interrupt or running.cancel)
    else:
        interruption = await completion.wait(interrupt or running.cancel)
    raise_end(completion.outcome, interruption)


def raise_end(outcome: Outcome, interruption: CancelledError | None) -> None:
    """Raise how a task ended that was waited for; a failure goes first, so that none is lost."""
    raise_outcome(interruption if is_cancellation(outcome) and interruption else outcome or interruption)


def start(
    task: Task, ctx: Context, mailbox: Mailbox, finished: Callable[[Outcome], object]
) -> asyncio.Task[Outcome] | None:
    """Start a task on the loop that runs here, or in a worker thread; return the asyncio task that it has become.

    Args:
        task: What to start.
        ctx: Its context. If `task.is_cancelled_natively`, the caller sees to it that the asyncio task is cancelled when
            the context ends, and does so through the loop.
        mailbox: The loop's.
        finished: Called on the loop, once, with what left the task.
    """
    if task.runs_in_one_thread:
        start_in_thread(task, ctx, mailbox, finished)
        return None
    running = task.launch(mailbox.loop, ctx)
    running.add_done_callback(lambda running: finished(outcome_of(running, ctx)))
    return running


def start_in_thread(task: Task, ctx: Context, mailbox: Mailbox, finished: Callable[[Outcome], object]) -> None:
    """Start a task that runs in one thread; `finished` is called on the loop."""
    variables = contextvars.copy_context()

    def work() -> None:
        outcome = _work(task, ctx, mailbox, variables)
        mailbox.post(lambda: finished(outcome))

    threads.submit(work)


def outcome_of(running: asyncio.Task[Outcome], ctx: Context) -> Outcome:
    """Return what left a task that was run as an asyncio task, which has ended."""
    if not running.cancelled():
        return running.result()
    # Cancelled before its first step.
    return cancelled_by(ctx.cause) if ctx.done else CancelledError()


def cancelled_at_end(running: asyncio.Task[Any], ctx: Context, mailbox: Mailbox) -> AtEnd:
    """Have an asyncio task cancelled natively when its context ends: by the loop, not in the call that ends it.

    Under a grace, it is cancelled only when that is over.
    """
    return AtEnd(ctx, lambda: mailbox.post(lambda: cancel_in_time(running, ctx, mailbox.loop)))


def after_grace(ctx: Context, loop: asyncio.AbstractEventLoop, cancel: Callable[[], object]) -> clock.Timer | None:
    """Call `cancel` now, or when the grace of a context that has ended is over: then by a timer of this loop."""
    if (seconds := grace_of(ctx)) > 0:
        return clock.current().call_later_on(loop, seconds, cancel)
    cancel()
    return None


def run_here(task: Task, ctx: Context, loop_factory: LoopFactory | None) -> None:
    """Run a task in this thread, which runs no loop, and raise what leaves it."""
    waiting.refuse_on_loop("task.run()", "await task(ctx)")
    now = clock.current()
    has_entered = now.enter()
    try:
        if task.runs_in_one_thread:
            before, _here.loop_factory = _here.loop_factory, loop_factory or _here.loop_factory
            try:
                outcome = drive(task._body(ctx))
            finally:
                _here.loop_factory = before
        elif _here.home is not None:
            outcome = _run_on(_here.home, task, ctx)
        else:
            outcome = loops.run_in_new_loop(lambda: await_all(task, ctx), loop_factory or _here.loop_factory)
    finally:
        if has_entered:
            now.leave()
    raise_outcome(outcome)


def raise_outcome(outcome: Outcome) -> None:
    """Raise what left a task, if anything did."""
    try:
        if outcome is not None:
            raise outcome
    finally:
        del outcome  # its traceback holds this frame


def drive(coroutine: Coroutine[Any, Any, None]) -> Outcome:
    """Run a coroutine that never suspends, in this thread, and return what leaves it."""
    try:
        coroutine.send(None)
    except StopIteration:
        return None
    except BaseException as error:  # noqa: BLE001 - nothing is lost, it is returned
        return error
    coroutine.close()
    raise AssertionError("a tree that runs in one thread has suspended")


def _work(task: Task, ctx: Context, home: Mailbox, variables: contextvars.Context) -> Outcome:
    """Run a task in this worker thread, which works for a loop meanwhile, and return what leaves it."""
    _here.home = home
    try:
        return variables.run(drive, task._body(ctx))
    finally:
        _here.home = None


def _run_on(home: Mailbox, task: Task, ctx: Context) -> Outcome:
    gate = waiting.Gate()
    ended: list[Outcome] = []
    variables = contextvars.copy_context()

    def finished(running: asyncio.Task[Outcome]) -> None:
        ended.append(outcome_of(running, ctx))
        gate.open()

    def begin() -> None:
        running = variables.run(home.loop.create_task, loops.outcome_of(lambda: await_all(task, ctx)), name=task.name)
        running.add_done_callback(finished)

    home.post(begin)
    if gate.wait_while(lambda: not home.loop.is_closed()):
        return ended[0]
    return cancelled_by(RuntimeError("the event loop ended"))


def cancel_in_time(running: asyncio.Task[Any], ctx: Context, loop: asyncio.AbstractEventLoop) -> None:
    """Cancel an asyncio task natively, now or when the grace of its context, which has ended, is over."""
    timer = after_grace(ctx, loop, running.cancel)
    if timer is not None:
        running.add_done_callback(lambda _: timer.cancel())


def _nothing() -> None:
    """There is nothing to cancel: a sync task sees its context."""


def _start_afresh_in_child() -> None:
    # The loop stayed in the parent; a nested run in a child that was forked by a task would wait for it for ever.
    _here.home = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)


async def in_worker(function: Callable[[], T]) -> T:
    """Call a function in a worker thread and return what it returns, or raise what it raises.

    A native cancellation is raised only when the function has returned, so that what it did is never lost unseen.
    """
    mailbox = mailbox_of(asyncio.get_running_loop())
    completion = Completion(mailbox.loop)
    results: list[T] = []

    def work() -> None:
        outcome: Outcome = None
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            outcome = error
        mailbox.post(partial(completion.finish, outcome))

    threads.submit(work)
    interruption = await completion.wait(_nothing)
    raise_outcome(completion.outcome or interruption)
    return results[0]


def start_from_anywhere(
    task: Task,
    ctx: Context,
    home: Mailbox,
    variables: contextvars.Context,
    finished: Callable[[Outcome], object],
) -> None:
    """Start a task from a thread that runs no loop.

    Args:
        task: What to start.
        ctx: Its context.
        home: The loop on which all that is async in it runs.
        variables: The context variables to run it in, and nothing else.
        finished: Called once with what left the task, in any thread.
    """
    if task.runs_in_one_thread:
        threads.submit(lambda: finished(_work(task, ctx, home, variables)))
        return

    def begin() -> None:
        running = variables.run(task.launch, home.loop, ctx)
        at_end = cancelled_at_end(running, ctx, home) if task.is_cancelled_natively else None

        def ended(running: asyncio.Task[Outcome]) -> None:
            if at_end is not None:
                at_end.detach()
            finished(outcome_of(running, ctx))

        running.add_done_callback(ended)

    home.post(begin)
