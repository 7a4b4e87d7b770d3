"""The program: everything at once, stopped by signals within one budget."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable

from tasker._core.callables import TaskLike
from tasker._core.context import AtEnd, Context, Scope
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_tasks
from tasker._core.waiting import refuse_on_loop
from tasker.combinators._budget import Budget
from tasker.combinators._group import Group
from tasker.combinators._signals import DEFAULT_SIGNALS, listening, reason_of, signals_of
from tasker.errors import Cancelled

logger = logging.getLogger("tasker")


class _Program(Task):
    def __init__(self, tasks: list[Task], budget: Budget) -> None:
        super().__init__("main", tasks)
        self._budget = budget

    async def _body(self, ctx: Context) -> None:
        self._budget.loop = asyncio.get_running_loop()
        with Scope(ctx) as scope:
            # Not taken back: the end of the last task ends the scope.
            AtEnd(scope.ctx, self._budget.begin)
            try:
                await Group(scope, on_failure=_log_failure).run(self.children)
            except Cancelled:
                if not scope.ctx.done:
                    raise


def main(
    *tasks: TaskLike,
    grace: Duration = 25,
    signals: Iterable[int] = DEFAULT_SIGNALS,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a program: all tasks at the same time, until they are done, one fails, or a signal comes; block until then.

    The first signal ends the contexts of all tasks; then the program has `grace` for stopping, all of it together.
    It returns after a clean stop. The second signal ends the process at once, with status 128 + its number.

    When the grace is over, the stack of every task that is still running is logged together with `ShutdownTimeout`, and
    the process ends with status 1, even if a thread never returns; neither `finally` blocks nor `atexit` handlers run
    then. The grace begins when the contexts end for whatever reason: a signal, a failure, the end of the last task.

    A failure is logged with its traceback when it happens, ends the others, and is raised at the end.

    Args:
        tasks: Anything that can be a task.
        grace: How long stopping may take; less than what the platform allows before it kills (30 s on Kubernetes).
        signals: What ends the program; none means that it listens to no signals.
        loop_factory: Makes the event loop; `None` means the default loop of asyncio.

    Raises:
        TypeError: One of the tasks cannot be one.
        ValueError: The grace is negative or not finite, or there is no such signal.
        RuntimeError: An event loop runs in this thread, or it is not the main thread.
        ExceptionGroup: Tasks failed; always a group, even of one.
        SystemExit: A task asked for the end of the program; likewise `KeyboardInterrupt`.
    """
    children = to_tasks(tasks)
    budget = Budget(seconds_of(grace, "grace"))
    numbers = signals_of(tuple(signals))
    refuse_on_loop("main()", "await concurrence(...)(ctx), or background() in a framework's lifespan")
    with Scope(budget.under(Context.background())) as scope:
        # A signal may come while the loop is still being made.
        AtEnd(scope.ctx, budget.begin)

        notes: list[threading.Thread] = []

        def stop(number: int) -> None:
            # Not on the clock thread: logging may block, and neither the budget nor the second signal may wait for it.
            note = threading.Thread(target=_log_signal, args=(number,), name="tasker-log", daemon=True)
            try:
                note.start()
                notes.append(note)
            except RuntimeError:
                pass  # the system starts no more threads: what matters is that the program stops
            scope.end(reason_of(number))  # only now: after that, this thread may find `main` at its end

        try:
            with listening(numbers, stop, _exit_at_once):
                _Program(children, budget).run(scope.ctx, loop_factory=loop_factory)
        finally:
            for note in notes:
                note.join(budget.rest())
            budget.close()


def _log_signal(number: int) -> None:
    logger.info("received %s, stopping", signal.Signals(number).name)


def _exit_at_once(number: int) -> None:
    os._exit(128 + number)


def _log_failure(task: Task, error: BaseException) -> None:
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):
        logger.error("%r failed", task.name, exc_info=error)
