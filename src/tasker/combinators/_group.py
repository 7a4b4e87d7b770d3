"""Tasks that run at the same time and share their fate: what `concurrence`, `main` and `background` stand on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial

from tasker._core import calling, clock
from tasker._core.context import AtEnd, Context, Scope, cancelled_by
from tasker._core.leaving import Outcome, is_cancellation
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task
from tasker.errors import Cancelled

logger = logging.getLogger("tasker")


class Group:
    """Tasks under one scope: the first failure ends it, all are waited for, no failure is lost.

    All fields belong to the thread of the loop on which the group was made; the hook may be called from any thread, and
    only posts.
    """

    def __init__(self, scope: Scope, on_failure: Callable[[Task, BaseException], object] | None = None) -> None:
        """Make an empty group on the loop that runs here.

        Args:
            scope: What ends when a task fails.
            on_failure: Told of each failure when it happens.
        """
        self._scope = scope
        self._on_failure = on_failure
        self._mailbox = mailbox_of(asyncio.get_running_loop())
        self._completion = calling.Completion(self._mailbox.loop)
        self._left = 0
        self._running: dict[asyncio.Task[Outcome], Task] = {}
        self._outcomes: list[BaseException] = []
        self._grace: clock.Timer | None = None

    async def run(self, tasks: Iterable[Task]) -> None:
        """Run the tasks, wait for all of them, and raise what left them.

        Raises:
            BaseExceptionGroup: Tasks failed; an `ExceptionGroup` if all that left them are exceptions.
            SystemExit: A task asked for the end of the program; likewise `KeyboardInterrupt`.
            Cancelled: No task failed, and some left because the context ended, or were not started.
        """
        ctx = self._scope.ctx
        # One hook for all tasks, and through the loop: a native cancellation never happens inside the call that ends
        # the context.
        with AtEnd(ctx, lambda: self._mailbox.post(self._cancel_in_time)):
            for task in tasks:
                self._start(task, ctx)
            if self._left == 0:
                self._completion.finish()
            interruption = await self._completion.wait(self._interrupt)
        if self._grace is not None:
            self._grace.cancel()
        self._raise(interruption)

    def _start(self, task: Task, ctx: Context) -> None:
        self._left += 1
        if task.runs_in_one_thread:
            calling.start_in_thread(task, ctx, self._mailbox, partial(self._finished, task))
        else:
            running = task.launch(self._mailbox.loop, ctx)
            self._running[running] = task
            running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[Outcome]) -> None:
        self._finished(self._running.pop(running), calling.outcome_of(running, self._scope.ctx))

    def _finished(self, task: Task, outcome: Outcome) -> None:
        self._left -= 1
        if outcome is not None:
            self._outcomes.append(outcome)
            if not is_cancellation(outcome):
                self._failed(task, outcome)
            elif isinstance(outcome, asyncio.CancelledError):
                self._interrupt()
        if self._left == 0:
            self._completion.finish()

    def _failed(self, task: Task, error: BaseException) -> None:
        cause = Cancelled(f"{task.name!r} failed: {error!r}")
        cause.__cause__ = error
        self._scope.end(cause)
        if self._on_failure is not None:
            self._on_failure(task, error)

    def _interrupt(self) -> None:
        self._scope.end(Cancelled("the awaiting asyncio task was cancelled"))

    def _cancel_in_time(self) -> None:
        if self._left:
            self._grace = calling.after_grace(self._scope.ctx, self._mailbox.loop, self._cancel_all)

    def _cancel_all(self) -> None:
        for running, task in self._running.items():
            if task.is_cancelled_natively:
                running.cancel()

    def _raise(self, interruption: asyncio.CancelledError | None) -> None:
        failures = [outcome for outcome in self._outcomes if not is_cancellation(outcome)]
        try:
            if failures:
                raise together(failures)
            if interruption is not None:
                raise interruption
            for outcome in self._outcomes:
                raise outcome if isinstance(outcome, asyncio.CancelledError) else cancelled_by(self._scope.ctx.cause)
        finally:
            # Their tracebacks hold this frame.
            del failures, interruption
            self._outcomes.clear()


def log_failure(task: Task, error: BaseException) -> None:
    """Log what a task failed with, unless it asked for the end of the program."""
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):
        logger.error("%r failed", task.name, exc_info=error)


def together(failures: list[BaseException], text: str | None = None) -> BaseException:
    """Return failures as one: a group, unless one asks for the end of the program; then that one, from the others.

    The text is the message of the group; `None` means that it counts the tasks that failed.
    """
    for failure in failures:
        if isinstance(failure, (SystemExit, KeyboardInterrupt)):
            others = [each for each in failures if each is not failure]
            failure.__cause__ = _group_of(others, text) if others else failure.__cause__
            return failure
    return _group_of(failures, text)


def _group_of(failures: list[BaseException], text: str | None) -> BaseExceptionGroup[BaseException]:
    counted = "a task failed" if len(failures) == 1 else f"{len(failures)} tasks failed"
    return BaseExceptionGroup(text or counted, failures)
