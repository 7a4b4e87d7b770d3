"""The program: everything at once, stopped by signals within one budget."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial

from tasker._core import clock
from tasker._core.callables import TaskLike
from tasker._core.context import AtEnd, Context, Scope
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_tasks
from tasker._core.waiting import refuse_on_loop
from tasker.combinators._budget import Budget
from tasker.combinators._exit import exit_now
from tasker.combinators._group import Group
from tasker.combinators._importing import refuse_while_imported_by_a_child
from tasker.combinators._lifecycle import Lifecycle
from tasker.combinators._loop_watch import LOOK_EVERY, LoopWatch
from tasker.combinators._signals import DEFAULT_SIGNALS, listening, reason_of, signals_of
from tasker.combinators._systemd import Notifier, notifying
from tasker.errors import Cancelled

logger = logging.getLogger("tasker")


class _Program(Task):
    """All tasks together, on the loop."""

    def __init__(self, tasks: list[Task], budget: Budget, lifecycle: Lifecycle, notifier: Notifier | None) -> None:
        super().__init__("main", tasks)
        self._budget = budget
        self._lifecycle = lifecycle
        self._notifier = notifier

    async def _body(self, ctx: Context) -> None:
        self._budget.loop = asyncio.get_running_loop()
        with Scope(ctx) as scope, self._watched():
            # Not taken back: the end of the last task ends the scope.
            AtEnd(scope.ctx, partial(_begin_to_stop, self._budget, self._lifecycle))
            try:
                await Group(scope, on_failure=_log_failure).run(self.children)
            except Cancelled:
                if not scope.ctx.done:
                    raise

    @contextmanager
    def _watched(self) -> Generator[None]:
        if clock.current() is not clock.system():
            yield  # in virtual time, no loop is late
            return
        watch = LoopWatch()
        if self._notifier is not None and self._notifier.watchdog is not None:
            watch = LoopWatch(self._notifier.alive, min(LOOK_EVERY, self._notifier.watchdog / 4))
        self._lifecycle.watch = watch
        with watch:
            yield


class _Stopper:
    """What the first signal does; it is called on the clock thread."""

    def __init__(self, scope: Scope, lifecycle: Lifecycle, drain_delay: float) -> None:
        self._scope = scope
        self._lifecycle = lifecycle
        self._drain_delay = drain_delay
        self._notes: list[threading.Thread] = []
        self._timer: clock.Timer | None = None

    def hear(self, number: int) -> None:
        reason = reason_of(number)
        self._lifecycle.stop(str(reason))
        # Not on the clock thread: logging may block, and neither the budget nor the second signal may wait for it.
        note = threading.Thread(target=_log_signal, args=(number, self._drain_delay), name="tasker-log", daemon=True)
        try:
            note.start()
            self._notes.append(note)
        except RuntimeError:
            pass  # the system starts no more threads: what matters is that the program stops
        # The contexts end only now: after that, this thread may find `main` at its end.
        if not self._drain_delay:
            self._scope.end(reason)
            return
        now = clock.current()
        has_entered = now.enter()
        self._timer = now.call_at(now.monotonic() + self._drain_delay, partial(self._scope.end, reason))
        if has_entered:
            now.leave()  # time that stands still goes on, now that there is something to wait for

    def close(self, seconds: float) -> None:
        """Let the note be written before `main` returns, if it does not take longer than so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        for note in self._notes:
            note.join(seconds)


def main(
    *tasks: TaskLike,
    grace: Duration = 25,
    drain_delay: Duration = 0,
    signals: Iterable[int] = DEFAULT_SIGNALS,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a program: all tasks at the same time, until they are done, one fails, or a signal comes; block until then.

    At the first signal the program is no longer ready (see `tasker.health`); after `drain_delay` the contexts of all
    tasks end; then it has `grace` for stopping, all of it together. It returns after a clean stop. The second signal
    ends the process at once, with status 128 + its number.

    When the grace is over, the stack of every task that is still running is logged together with `ShutdownTimeout`, and
    the process ends with status 1, even if a thread never returns; neither `finally` blocks nor `atexit` handlers run
    then. The grace begins when the contexts end for whatever reason: a signal, a failure, the end of the last task. It
    ends when the process does: if the interpreter, after a clean stop, cannot exit because a thread that is not
    tasker's never returns, that is reported in the same way. A program that goes on after `main` has all the time it
    wants.

    A failure is logged with its traceback when it happens, ends the others, and is raised at the end. An event loop
    that is blocked for about half a second is logged, with the stack of what blocks it. If `NOTIFY_SOCKET` is set,
    systemd is told when all tasks have started, when the program stops, and, as its watchdog wants it, that the loop
    turns.

    Args:
        tasks: Anything that can be a task.
        grace: How long stopping may take; together with `drain_delay` less than what the platform allows before it
            kills (30 s on Kubernetes).
        drain_delay: How long the tasks go on as before after the first signal, so that load balancers can notice that
            the program is no longer ready; it comes before the grace. A failure and the end of the last task do not
            wait for it.
        signals: What ends the program; none means that it listens to no signals.
        loop_factory: Makes the event loop; `None` means the default loop of asyncio.

    Raises:
        TypeError: One of the tasks cannot be one.
        ValueError: The grace or the delay is negative or not finite, or there is no such signal.
        RuntimeError: An event loop runs in this thread, it is not the main thread, or a child process is importing the
            program and has come upon the call of `main`.
        ExceptionGroup: Tasks failed; always a group, even of one.
        SystemExit: A task asked for the end of the program; likewise `KeyboardInterrupt`.
    """
    children = to_tasks(tasks)
    budget = Budget(seconds_of(grace, "grace"))
    delay = seconds_of(drain_delay, "drain_delay")
    numbers = signals_of(signals)
    refuse_on_loop("main()", "await concurrence(...)(ctx), or background() in a framework's lifespan")
    refuse_while_imported_by_a_child("main()")
    lifecycle = Lifecycle(children)
    with Scope(lifecycle.under(budget.under(Context.background()))) as scope, notifying(lifecycle) as notifier:
        # A signal may come while the loop is still being made.
        AtEnd(scope.ctx, partial(_begin_to_stop, budget, lifecycle))
        stopper = _Stopper(scope, lifecycle, delay)
        try:
            with listening(numbers, stopper.hear, _exit_at_once):
                _Program(children, budget, lifecycle, notifier).run(scope.ctx, loop_factory=loop_factory)
        finally:
            stopper.close(budget.rest())
            budget.close()


def _begin_to_stop(budget: Budget, lifecycle: Lifecycle) -> None:
    budget.begin()
    # Not the cause: what a task failed with may be nothing for whoever asks for the health.
    lifecycle.stop("the tasks are ending")


def _log_signal(number: int, drain_delay: float) -> None:
    when = f" in {drain_delay:g} s" if drain_delay else ""
    logger.info("received %s, stopping%s", signal.Signals(number).name, when)


def _exit_at_once(number: int) -> None:
    exit_now(128 + number)


def _log_failure(task: Task, error: BaseException) -> None:
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):
        logger.error("%r failed", task.name, exc_info=error)
