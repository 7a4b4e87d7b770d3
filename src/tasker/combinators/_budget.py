"""The one budget that a stop may take, shared by everything under `main`.

It begins when the contexts end, for whatever reason. When it is over, what still runs is reported, and the process
ends, even if a thread never returns: that takes neither the event loop nor the main thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

from tasker._core import clock
from tasker._core.context import Context
from tasker.combinators._stacks import running_tasks
from tasker.errors import ShutdownTimeout

logger = logging.getLogger("tasker")

_KEY = object()
# What is kept back of the rest of the budget, so that what is cancelled then can still leave.
_SHARE = 0.9
_FOR_THE_REPORT = 1.0


class Budget:
    """The time that is left for stopping.

    Any thread may begin it; `loop` is set once, before that.
    """

    def __init__(self, grace: float) -> None:
        """Make a budget of `grace` seconds that has not begun."""
        self.grace = grace
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._over_at: float | None = None
        self._timer: clock.Timer | None = None
        self._is_closed = False

    def under(self, ctx: Context) -> Context:
        """Derive the context through which all that runs under it finds this budget."""
        return ctx.with_value(_KEY, self)

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        now = clock.current()
        with self._lock:
            if self._over_at is not None or self._is_closed:
                return
            self._over_at = now.monotonic() + self.grace
            self._timer = now.call_at(self._over_at, self._end_process)

    def close(self) -> None:
        """All have stopped in time."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()

    def rest(self) -> float:
        """Return the seconds that are left; before it begins, all of them."""
        if self._over_at is None:
            return self.grace
        return max(0.0, self._over_at - clock.current().monotonic())

    def _end_process(self) -> None:
        with self._lock:
            if self._is_closed:
                return
        system = clock.system()
        # Whatever the report blocks on: a full pipe, a logging handler, the lock of a frozen thread.
        system.call_at(system.monotonic() + _FOR_THE_REPORT, _exit)
        threading.Thread(target=self._report_and_exit, name="tasker-exit", daemon=True).start()

    def _report_and_exit(self) -> None:
        try:
            running = running_tasks(self.loop)
            names = tuple(task.name for task in running)
            logger.critical("%s", ShutdownTimeout(names, self.grace))
            for task in running:
                logger.critical("%r is still running:\n%s", task.name, task.stack)
            _flush_logging()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            _exit()


def _flush_logging() -> None:
    """Flush the handlers of all loggers: a process that ends by `os._exit` does not do so by itself."""
    root = logging.getLogger()
    for each in (root, *root.manager.loggerDict.values()):
        for handler in each.handlers if isinstance(each, logging.Logger) else ():
            handler.flush()


def grace_within(ctx: Context, grace: float) -> float:
    """Return the grace that something may take: its own, or less if the budget of the process is smaller."""
    budget: Budget | None = ctx.value(_KEY)
    return grace if budget is None else min(grace, budget.rest() * _SHARE)


def rest_of(ctx: Context, otherwise: float) -> float:
    """Return what is left of the budget of the process; `otherwise` if there is none."""
    budget: Budget | None = ctx.value(_KEY)
    return otherwise if budget is None else budget.rest()


def _exit() -> None:
    # A normal exit would wait for threads that do not end.
    os._exit(1)
