"""A clock whose time passes without waiting.

It counts what is at work: the thread that installed it, each job in a worker thread, each thread and loop of tasker's.
Whoever waits by the clock, at a gate or in the `select` of a loop, is at rest. When all are at rest, time jumps to the
next timer; whoever that wakes counts as working again from the moment of the wake-up, so that time cannot run away
before it has even begun to run.

Everything is guarded by one lock; timers are called outside of it, in the thread that came to rest last.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tasker._core import clock
from tasker._core.clock import Timer
from tasker._core.durations import Duration, seconds_of
from tasker._core.instants import aware
from tasker._core.waiting import Gate
from tasker.testing._virtual_loop import VirtualLoop

logger = logging.getLogger("tasker")

_START = datetime(2026, 1, 1, tzinfo=UTC)


class _VirtualTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        if callback is None:
            return
        try:
            callback()
        except Exception:
            logger.exception("a timer of tasker's failed")


class _ThisThread(threading.local):
    is_counted = False
    """Whether the thread is one of those that are counted as working."""


class VirtualClock:
    """Drives every wait in the library, for sync and async tasks alike, without real sleeping.

    As a `with` block it replaces the clock of the whole process. Inside, whenever everything that tasker runs is
    waiting, time jumps to the moment at which the first of them goes on: a task that sleeps for a day takes no time.

    ```python
    import tasker
    from tasker.testing import VirtualClock


    def patient(ctx):
        ctx.sleep(24 * 3600)


    with VirtualClock() as clock:
        tasker.run(patient)
        assert clock.elapsed == 24 * 3600
    ```

    A thread that waits for something else than the clock (a lock, a socket, a subprocess) counts as working, and time
    stands still until it goes on. Inside a loop that tasker did not make, time passes by `advance` only.
    """

    def __init__(self, start: datetime = _START) -> None:
        """Make a clock that shows `start`, an aware datetime, when it begins."""
        self._start = aware(start, "start").timestamp()
        self._shift = 0.0
        self._suspended = 0.0
        self._now = 0.0
        self._lock = threading.Lock()
        self._heap: list[tuple[float, int, _VirtualTimer]] = []
        self._count = 0
        self._working = 0
        self._at_rest = threading.Condition(self._lock)
        self._thread = _ThisThread()

    @property
    def elapsed(self) -> float:
        """The seconds that have passed since the beginning, on the monotonic clock."""
        return self._now

    def now(self) -> datetime:
        """Return what the wall clock shows, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, duration: Duration) -> None:
        """Let time pass, timer by timer, and let what each of them wakes come to rest again.

        For tests that hold the time in their own hands: from a thread that is not itself run by tasker.
        """
        end = self._now + seconds_of(duration, "duration")
        self.settle()
        while self._fire_until(end):
            self.settle()
        with self._lock:
            self._now = max(self._now, end)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back by a negative number; the monotonic clock does not notice."""
        self._shift += seconds

    def suspend(self, duration: Duration) -> None:
        """Be a machine that sleeps for so long: the wall clock goes on, the monotonic clock and all waits stand still.

        So a wait for ten seconds of which three were over ends seven seconds after the machine has woken up.
        """
        self._suspended += seconds_of(duration, "duration")

    def settle(self, patience: Duration = 5) -> None:
        """Wait, in real time, until all but the calling thread are waiting for the clock.

        Raises:
            TimeoutError: They are not, after the (real) seconds of `patience`.
        """
        mine = int(self._thread.is_counted)
        with self._at_rest:
            if not self._at_rest.wait_for(lambda: self._working <= mine, seconds_of(patience, "patience")):
                raise TimeoutError(f"{self._working - mine} tasks or loops do not come to rest")

    def __enter__(self) -> Self:
        if clock.current() is not clock.system():
            raise RuntimeError("another virtual clock is installed already")
        self.enter()
        clock.install(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        clock.install(None)
        self.leave()

    # What the library asks of a clock.

    def time(self) -> float:
        """Return the seconds since 1970 that the wall clock shows."""
        return self._start + self._shift + self.boottime()

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self._now

    def boottime(self) -> float:
        """Return the seconds since the beginning, those in which the machine was suspended included."""
        return self._now + self._suspended

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back at `when`, in the thread that lets time pass."""
        timer = _VirtualTimer(callback)
        with self._lock:
            self._count += 1
            heapq.heappush(self._heap, (when, self._count, timer))
        return timer

    def call_later_on(self, loop: asyncio.AbstractEventLoop, delay: float, callback: Callable[[], object]) -> Timer:
        """Call back on a loop."""
        if isinstance(loop, VirtualLoop):
            return loop.call_later(delay, callback)
        return self.call_at(self._now + delay, lambda: loop.call_soon_threadsafe(callback))

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make a loop whose time is this clock's, so that `asyncio.sleep` is virtual too."""
        return VirtualLoop(self)

    def park(self, gate: Gate, timeout: float | None) -> bool:
        """Block the calling thread at the gate; it is at rest meanwhile."""
        timer = None if timeout is None else self.call_at(self._now + timeout, lambda: self.unpark(gate))
        with self._lock:
            gate.parked = must_wait = not gate.is_open
        if must_wait:
            is_counted = self._thread.is_counted
            if is_counted:
                self.end_work()
            gate.lock.acquire()
            if not is_counted:
                self.end_work()  # whoever woke it counted it as working
        if timer is not None:
            timer.cancel()
        return gate.is_open

    def unpark(self, gate: Gate) -> None:
        """Wake whoever is parked at the gate."""
        with self._lock:
            if not gate.parked:
                return
            gate.parked = False
            self._working += 1
        gate.lock.release()

    def begin_work(self) -> None:
        """Count one more at work."""
        with self._lock:
            self._working += 1

    def enter(self, *, is_counted: bool = False) -> bool:
        """Count the calling thread as working, unless it is already; `is_counted`: `begin_work` was called for it."""
        if self._thread.is_counted:
            return False
        if not is_counted:
            self.begin_work()
        self._thread.is_counted = True
        return True

    def leave(self) -> None:
        """Count the calling thread no longer."""
        self._thread.is_counted = False
        self.end_work()

    def end_work(self) -> None:
        """Count one less at work; the last one lets time pass until something works again."""
        with self._lock:
            self._working -= 1
        while (timer := self._next_at_rest()) is not None:
            timer.fire()
            with self._lock:
                self._working -= 1

    def _next_at_rest(self) -> _VirtualTimer | None:
        """If all are at rest, let time pass to the next timer, and count the firing of it as work."""
        with self._lock:
            timer = self._pop(None) if self._working == 0 and clock.current() is self else None
            if timer is not None:
                self._working += 1
            else:
                self._at_rest.notify_all()
            return timer

    def _fire_until(self, end: float) -> bool:
        with self._lock:
            timer = self._pop(end)
        if timer is not None:
            timer.fire()
        return timer is not None

    def _pop(self, end: float | None) -> _VirtualTimer | None:
        """Let time pass to the next timer, if there is one until `end`; the lock is held."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        if not self._heap or (end is not None and self._heap[0][0] > end):
            return None
        when, _, timer = heapq.heappop(self._heap)
        self._now = max(self._now, when)
        return timer
