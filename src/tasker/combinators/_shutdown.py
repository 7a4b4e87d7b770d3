"""A task that has a function of its own to stop it, such as a server."""

from __future__ import annotations

import asyncio
import logging
import threading

from tasker._core.callables import TaskLike
from tasker._core.calling import cancelled_at_end, perform, start
from tasker._core.changes import Changes
from tasker._core.context import AtEnd, Context, Scope, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.grace import under_grace
from tasker._core.leaving import Outcome, is_cancellation
from tasker._core.loops import abandon
from tasker._core.mailbox import Mailbox, mailbox_of
from tasker._core.task import Task, to_task
from tasker.combinators._budget import grace_within, rest_of
from tasker.combinators._group import together
from tasker.errors import Cancelled, ShutdownTimeout

logger = logging.getLogger("tasker")

_TO_LEAVE = 1.0


class _UnlessEnded(Task):
    """Starts a task under one context, unless another has ended by then; remembers whether it did."""

    def __init__(self, task: Task, ctx: Context) -> None:
        super().__init__(task.name, [task])
        self.runs_in_one_thread = task.runs_in_one_thread
        self._task = task
        self._ctx = ctx
        # Whoever ends the context and then looks sees either that it has begun, or that it never will.
        self._lock = threading.Lock()
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        with self._lock:
            return self._has_begun

    async def _body(self, ctx: Context) -> None:
        with self._lock:
            if self._ctx.done:
                raise cancelled_by(self._ctx.cause)
            self._has_begun = True
        await perform(self._task, ctx)


class _Started:
    """A task that was started beside others; `changes` hears of its end. It belongs to the loop."""

    def __init__(self, task: Task, scope: Scope, mailbox: Mailbox, changes: Changes) -> None:
        self.name = task.name
        self.is_done = False
        self.outcome: Outcome = None
        self._changes = changes
        self._running = start(task, scope.ctx, mailbox, self._finish)
        if self._running is not None and task.is_cancelled_natively:
            cancelled_at_end(self._running, scope.ctx, mailbox)

    @property
    def failure(self) -> BaseException | None:
        return None if is_cancellation(self.outcome) else self.outcome

    def abandon(self) -> None:
        if self._running is not None:
            abandon(self._running)

    def _finish(self, outcome: Outcome) -> None:
        self.is_done = True
        self.outcome = outcome
        self._changes.note()


class _Stopping:
    """One run of `with_shutdown`; everything in it belongs to the loop."""

    def __init__(self, scope: Scope, grace: float) -> None:
        self._scope = scope
        self._ctx = scope.ctx
        self._grace = grace
        self._mailbox = mailbox_of(asyncio.get_running_loop())
        self._changes = Changes(self._mailbox, self._interrupt)

    async def run(self, start_task: Task, stop_task: Task) -> None:
        begin = _UnlessEnded(start_task, self._ctx)
        with Scope(self._detached()) as start_scope:
            started = _Started(begin, start_scope, self._mailbox, self._changes)
            await self._until_it_must_stop(started)
            if not begin.has_begun:
                await self._changes.wait_until(lambda: started.is_done)
            elif started.failure is None:
                await self._stop(started, start_scope, stop_task)
                return
        self._raise([started])

    def _detached(self) -> Context:
        """Return a context that keeps the values; what ends under it is cancelled at once: the grace is over then."""
        return under_grace(self._ctx.without_cancel(), lambda: 0.0)

    async def _until_it_must_stop(self, started: _Started) -> None:
        with AtEnd(self._ctx, self._changes.post):
            await self._changes.wait_until(lambda: started.is_done or self._ctx.done)

    async def _stop(self, started: _Started, start_scope: Scope, stop_task: Task) -> None:
        grace = grace_within(self._ctx, self._grace)
        # With no time at all, `stop` would not even begin.
        for_stop = grace or grace_within(self._ctx, _TO_LEAVE)
        with Scope(self._detached(), for_stop) as stop_scope:
            stopping = _Started(stop_task, stop_scope, self._mailbox, self._changes)
            both = [started, stopping]
            await self._changes.wait_until(lambda: _all_done(both) or stopping.failure is not None, grace)
            is_late = not started.is_done and stopping.failure is None and grace > 0
            start_scope.end(Cancelled("the time for stopping is over" if stopping.failure is None else "stop failed"))
            rest = rest_of(self._ctx, for_stop - grace + _TO_LEAVE)
            await self._changes.wait_until(lambda: _all_done(both), rest)
        if is_late and started.is_done:
            logger.warning(
                "%r did not return within %.3g s of its stop; it left when it was canceled", started.name, grace
            )
        self._raise(both)

    def _interrupt(self) -> None:
        self._scope.end(Cancelled("the awaiting asyncio task was cancelled"))

    def _raise(self, tasks: list[_Started]) -> None:
        errors: list[BaseException] = [task.failure for task in tasks if task.failure is not None]
        left_behind = [task for task in tasks if not task.is_done]
        if left_behind:
            for task in left_behind:
                task.abandon()
            errors.append(ShutdownTimeout(tuple(task.name for task in left_behind), self._grace))
        if errors:
            raise errors[0] if len(errors) == 1 else together(errors)
        if self._changes.interruption is not None:
            raise self._changes.interruption


def _all_done(tasks: list[_Started]) -> bool:
    return all(task.is_done for task in tasks)


class _Shutdown(Task):
    def __init__(self, start_task: Task, stop_task: Task, grace: float) -> None:
        super().__init__("with_shutdown", [start_task, stop_task])
        self.starting = self.children[:1]
        self._start = start_task
        self._stop = stop_task
        self._grace = grace

    async def _body(self, ctx: Context) -> None:
        if not ctx.done:
            with Scope(ctx) as scope:
                await _Stopping(scope, self._grace).run(self._start, self._stop)


def with_shutdown(start: TaskLike, stop: TaskLike, *, grace: Duration = 25) -> Task:
    """Run a task that is stopped by calling another one, such as a server's `serve_forever` and `shutdown`.

    When the context ends, `start` is left alone and `stop` is called, under a context that ends after the grace; then
    `start` is waited for. After the grace the context of `start` ends too, and it has up to a second to leave (inside
    `main`: the rest of the budget) before it is left behind and named in `ShutdownTimeout`. A stop that went well
    returns normally; if `start` returned only because it was canceled, that is logged as a warning.

    If `start` returns by itself, `stop` is called too; if it fails, its error is raised and `stop` is not called. If
    `stop` fails, `start` is canceled at once. Nothing is called if the context ends before `start` has begun.

    Args:
        start: What runs; its context keeps the values, but ends only when the grace is over.
        stop: What makes it return.
        grace: How long stopping may take; inside `main`, less if its budget is smaller. With zero, `start` is canceled
            at the moment at which `stop` is called, and both have up to a second to leave.

    Raises:
        TypeError: One of the tasks cannot be one.
        ValueError: The grace is negative or not finite.
        ShutdownTimeout: (when run) One of them was still running when the time was over.
        BaseExceptionGroup: (when run) Both failed.
    """
    return _Shutdown(to_task(start), to_task(stop), seconds_of(grace, "grace"))
