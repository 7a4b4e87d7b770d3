"""The time that a stop may take, shared by everything under it; that of `main` is the budget of the process.

It begins when the contexts end, for whatever reason. When a budget is over, what still runs is reported, and the
process ends, even if a thread never returns: that takes neither the event loop nor the main thread.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from tasker._core import clock
from tasker._core.context import Context, DerivedContext
from tasker.combinators._exit import report_and_exit
from tasker.combinators._stacks import is_exiting, running_tasks, what_holds_the_exit

_BACKGROUND = Context.background()
_KEY = object()
# What is kept back of the rest of the budget, so that what is cancelled then can still leave.
_SHARE = 0.9


class TimeToStop:
    """The time that is left for stopping; any thread may begin it.

    Attributes:
        grace: How long it is in all, in seconds; what is around it may allow less from when it begins.
    """

    def __init__(self, grace: float, above: Context = _BACKGROUND) -> None:
        """Make one of `grace` seconds that has not begun, inside of what the context `above` allows."""
        self.grace = grace
        self._above = above
        self._lock = threading.Lock()
        self._began_at = 0.0
        self._over_at: float | None = None

    def under(self, ctx: Context) -> DerivedContext:
        """Derive the context through which all that runs under it finds this."""
        return ctx.with_value(_KEY, self)

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        with self._lock:
            if self._over_at is None:
                self.grace = self.rest()
                self._began_at = clock.current().monotonic()
                self._over_at = self._began_at + self.grace

    def rest(self) -> float:
        """Return the seconds that are left; before it begins, all of them."""
        if self._over_at is None:
            return grace_within(self._above, self.grace)
        return max(0.0, self._over_at - clock.current().monotonic())

    def asked_for(self) -> float:
        """Return the seconds since it has begun."""
        return clock.current().monotonic() - self._began_at


class Budget(TimeToStop):
    """The time for stopping of a whole process, which ends when that is over.

    `loop` is set once, before it begins. After `main` has returned, the time goes on for the exit of the interpreter,
    which waits for non-daemon threads, child processes and `atexit` handlers; unless the program goes on by itself: if
    the main thread still runs when the time is over, there is nothing to end.
    """

    def __init__(self, grace: float) -> None:
        """Make a budget of `grace` seconds that has not begun."""
        super().__init__(grace)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._timer: clock.Timer | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        now = clock.current()
        with self._lock:
            if self._over_at is not None or self._is_closed:
                return
            self._began_at = now.monotonic()
            self._over_at = self._began_at + self.grace
            self._timer = now.call_at(self._over_at, self._end_process)

    def close(self) -> None:
        """Note that all tasks have stopped in time."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                _let_only_this_one_wait(self._timer)

    def _end_process(self) -> None:
        with self._lock:
            is_closed = self._is_closed
        if is_closed and not is_exiting():
            return
        find = what_holds_the_exit if is_closed else partial(running_tasks, self.loop)
        report_and_exit(find, self.grace, self.asked_for())


_waiting_for_the_exit: clock.Timer | None = None


def _let_only_this_one_wait(timer: clock.Timer) -> None:
    """Forget the timer of the `main` before: the program has gone on after it."""
    global _waiting_for_the_exit  # noqa: PLW0603 - there is one exit in a process
    if _waiting_for_the_exit is not None:
        _waiting_for_the_exit.cancel()
    _waiting_for_the_exit = timer


def grace_within(ctx: Context, grace: float) -> float:
    """Return the grace that something may take: its own, or less if the time for stopping all around it is less."""
    time: TimeToStop | None = ctx.value(_KEY)
    return grace if time is None else min(grace, time.rest() * _SHARE)


def rest_of(ctx: Context, otherwise: float) -> float:
    """Return what is left of the time for stopping all around something; `otherwise` if there is no limit."""
    time: TimeToStop | None = ctx.value(_KEY)
    return otherwise if time is None else time.rest()
