"""An event loop that goes by a virtual clock: it is at rest while it has nothing to do."""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from asyncio import events
from collections.abc import Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from tasker.testing._virtual_clock import VirtualClock


_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")
_Ready = list[tuple[selectors.SelectorKey, int]]


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop whose `time` is the clock's, and whose `select` waits by it."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._waiting = _WaitingSelector(clock, self)
        super().__init__(self._waiting)
        self._clock_resolution = 0.0

    def time(self) -> float:
        """Return the clock's monotonic time."""
        now = self._clock.monotonic()
        # Timers within it count as due. If it were less than the distance to the next float, none would ever be: after
        # half a year of virtual time, a nanosecond is lost in the rounding.
        self._clock_resolution = max(1e-9, 2 * math.ulp(now))
        return now

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Wake the loop, which counts as working from now on."""
        with self._waiting.waking():
            return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Arguments], _Result], *args: *_Arguments
    ) -> asyncio.Future[_Result]:
        """Run a function in a thread, which counts as working until the loop has heard of its end."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.begin_work()
        future.add_done_callback(lambda _: self._clock.end_work())
        return future


class _WaitingSelector(selectors.DefaultSelector):
    """A selector that tells the clock when it waits.

    `_lock` guards `_is_at_rest` and `_is_woken`, and is held while the loop is woken, so that no loop comes to rest
    over a call that it has not seen.
    """

    def __init__(self, clock: VirtualClock, loop: VirtualLoop) -> None:
        super().__init__()
        self._clock = clock
        self._loop = loop
        self._lock = threading.RLock()
        self._is_at_rest = False
        self._is_woken = False

    @contextmanager
    def waking(self) -> Generator[None]:
        """Count the loop as working, and let the caller wake it."""
        with self._lock:
            self._is_woken = True
            if self._is_at_rest:
                self._is_at_rest = False
                self._clock.begin_work()
            yield

    def select(self, timeout: float | None = None) -> _Ready:
        """Wait for events in real time, and for the timeout in virtual time."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            with self._lock:
                self._is_woken = False
            return ready
        with self._lock:
            if self._is_woken:
                self._is_woken = False
                return super().select(0)
            self._is_at_rest = True
        return self._rest(timeout)

    def _rest(self, timeout: float | None) -> _Ready:
        timer = None
        if timeout is not None:
            timer = self._clock.call_at(self._clock.monotonic() + timeout, self._wake)
        # It may call timers in this thread, to which the loop is any other: it sleeps, and must be woken.
        events._set_running_loop(None)
        try:
            self._clock.end_work()
        finally:
            events._set_running_loop(self._loop)
        ready = super().select(None)
        with self._lock:
            if self._is_at_rest:  # woken by something from outside: a socket, a pipe
                self._is_at_rest = False
                self._clock.begin_work()
            self._is_woken = False
        if timer is not None:
            timer.cancel()
        return ready

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(_nothing)


def _nothing() -> None:
    """The wake-up itself is what counts."""
