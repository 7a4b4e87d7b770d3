"""The clock that everything in tasker reads and waits by.

There is one current clock in a process: the system's, or the virtual one of `tasker.testing` while that is installed.

The system's clock owns one daemon thread, started at first use, that runs timers and receives signals. It waits on a
pipe, because a pipe is the one thing that a thread, a Python signal handler and the C-level wake-up of the `signal`
module can all write to without taking a lock: a handler that interrupts the main thread must not wait for anything that
the main thread may hold.

Threads: the heap of timers is guarded by a lock; callbacks run on the clock thread and must be quick and not block.
"""

from __future__ import annotations

import heapq
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from tasker._core.waiting import Gate

logger = logging.getLogger("tasker")

_clock_that_counts_suspend = getattr(time, "CLOCK_BOOTTIME", None)

_LOOK_FOR_SIGNALS = 0.5


class Timer(Protocol):
    """Something that was asked for at a certain time."""

    def cancel(self) -> None:
        """Make sure that it does not happen any more, if it has not begun."""
        ...


class Clock(Protocol):
    """What the library asks of a clock."""

    def time(self) -> float:
        """Seconds since 1970 (UTC), as the wall clock has them: they may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, never going back; they may stand still while the machine is suspended."""
        ...

    def boottime(self) -> float:
        """Seconds since some moment, never going back, counting suspension where the system can tell."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call back at `when` on the monotonic clock, on a thread of the clock's own choice."""
        ...

    def call_later_on(self, loop: asyncio.AbstractEventLoop, delay: float, callback: Callable[[], object]) -> Timer:
        """Call back on `loop`, which is running in the calling thread, `delay` seconds from now."""
        ...

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop whose time is this clock's."""
        ...

    def park(self, gate: Gate, timeout: float | None) -> bool:
        """Block the calling thread until the gate is open or the timeout is over; return whether it is open."""
        ...

    def unpark(self, gate: Gate) -> None:
        """Open the gate; whoever is parked at it goes on."""
        ...

    def begin_work(self) -> None:
        """Note that something was set going, in a thread that will `enter`."""
        ...

    def enter(self, *, is_counted: bool = False) -> bool:
        """Note that the calling thread works, and waits for nothing but this clock; say whether that was news."""
        ...

    def leave(self) -> None:
        """Note that it does so no longer."""
        ...


class _SystemTimer:
    __slots__ = ("_callback", "_clock")

    def __init__(self, clock: SystemClock, callback: Callable[[], object]) -> None:
        self._clock = clock
        self._callback: Callable[[], object] | None = callback

    @property
    def is_cancelled(self) -> bool:
        return self._callback is None

    def cancel(self) -> None:
        if self._callback is not None:
            self._callback = None
            self._clock.forget_one()

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is None:
            return
        try:
            callback()
        except Exception:
            logger.exception("a timer of tasker's failed")


class SystemClock:
    """The machine's clock, with one daemon thread for all timers and signals of the process."""

    # Entries of ended timers stay in the heap until they are due, or until they are more than half of it.
    _FEW = 100

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._heap: list[tuple[float, int, _SystemTimer]] = []
        self._count = 0
        self._ended = 0
        self._thread: threading.Thread | None = None
        self._reader = self._writer = -1
        self.on_signal: Callable[[int], None] | None = None
        """Called on the clock thread with the number of each signal that came through the pipe."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        if _clock_that_counts_suspend is None:
            return time.monotonic()
        return time.clock_gettime(_clock_that_counts_suspend)

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        timer = _SystemTimer(self, callback)
        with self._lock:
            self._start_thread()
            self._count += 1
            heapq.heappush(self._heap, (when, self._count, timer))
            is_first = self._heap[0][2] is timer
        if is_first:
            self._wake()
        return timer

    def call_later_on(self, loop: asyncio.AbstractEventLoop, delay: float, callback: Callable[[], object]) -> Timer:
        return loop.call_later(delay, callback)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio  # noqa: PLC0415 - whoever runs one thread only needs no loop

        return asyncio.new_event_loop()

    def park(self, gate: Gate, timeout: float | None) -> bool:
        left = threading.TIMEOUT_MAX if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        if threading.get_ident() != threading.main_thread().ident:
            return gate.lock.acquire(timeout=left)
        # Python calls the handler of a signal between two of its own steps: one that comes in the moment before the
        # main thread waits would have to wait with it.
        end = time.monotonic() + left
        while (left := end - time.monotonic()) > _LOOK_FOR_SIGNALS:
            if gate.lock.acquire(timeout=_LOOK_FOR_SIGNALS):
                return True
        return gate.lock.acquire(timeout=max(0.0, left))

    def unpark(self, gate: Gate) -> None:
        gate.lock.release()

    def begin_work(self) -> None:
        """Nothing to note: real time passes by itself."""

    def enter(self, *, is_counted: bool = False) -> bool:  # noqa: ARG002 - the virtual clock counts
        return False

    def leave(self) -> None:
        """Nothing to note: real time passes by itself."""

    def listen(self) -> int:
        """Start the thread, if need be, and return the descriptor to which signal numbers are written."""
        with self._lock:
            self._start_thread()
        return self._writer

    def forget_one(self) -> None:
        """Note that a timer in the heap has ended; clear the heap when it is mostly of such."""
        with self._lock:
            self._ended += 1
            if self._ended > self._FEW and self._ended * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if not entry[2].is_cancelled]
                heapq.heapify(self._heap)
                self._ended = 0

    def close_in_child(self) -> None:
        """Close what a fork has copied; the thread was not."""
        if self._reader >= 0:
            os.close(self._reader)
            os.close(self._writer)

    def _start_thread(self) -> None:
        if self._thread is not None:
            return
        if self._reader < 0:
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._reader, False)
            os.set_blocking(self._writer, False)
        self._thread = threading.Thread(target=self._run, name="tasker-clock", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None  # the system may start one later
            raise

    def _wake(self) -> None:
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # a full pipe wakes the thread as well

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while True:
            poll.poll(self._milliseconds_until_next())
            self._receive_signals()
            for timer in self._due():
                timer.fire()

    def _milliseconds_until_next(self) -> int | None:
        with self._lock:
            if not self._heap:
                return None
            delay = self._heap[0][0] - time.monotonic()
        # Rounded up, or the last fraction of a millisecond would be spent spinning; at most an hour, since poll's
        # argument is a C int.
        return min(max(0, int(delay * 1000) + 1), 3_600_000) if delay > 0 else 0

    def _receive_signals(self) -> None:
        try:
            numbers = os.read(self._reader, 4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number and self.on_signal is not None:
                try:
                    self.on_signal(number)
                except Exception:  # this thread must live: the budget and the next signal depend on it
                    logger.exception("what tasker does on a signal failed")

    def _due(self) -> list[_SystemTimer]:
        due: list[_SystemTimer] = []
        now = time.monotonic()
        with self._lock:
            while self._heap and self._heap[0][0] <= now:
                timer = heapq.heappop(self._heap)[2]
                if timer.is_cancelled:
                    self._ended = max(0, self._ended - 1)
                else:
                    due.append(timer)
        return due


_system = SystemClock()
_installed: Clock | None = None


def system() -> SystemClock:
    """Return the machine's clock, whatever is installed."""
    return _system


def current() -> Clock:
    """Return the clock that the library goes by now."""
    return _installed or _system


def install(clock: Clock | None) -> None:
    """Let the whole process go by `clock`; `None` brings the system's clock back."""
    global _installed  # noqa: PLW0603 - there is one time in a process
    _installed = clock


def _start_afresh_in_child() -> None:
    global _system, _installed  # noqa: PLW0603 - the thread did not survive the fork
    _system.close_in_child()
    _system = SystemClock()
    _installed = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
