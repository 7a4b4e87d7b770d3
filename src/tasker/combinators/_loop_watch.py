"""Notices an event loop that is blocked: some code in it neither returns nor awaits.

The clock thread looks at the loop every 0.4 s. Mostly it finds it waiting for something to do, which a look at the
stack of its thread tells: that costs the loop nothing. If the loop is at work instead, it is asked to answer, and if
it has not answered at the next look, what it does meanwhile is logged; so a block is noticed 0.4 to 0.8 s after it
began. Not noticed are blocks that keep the interpreter lock, since no other thread runs then.

Rejected: a heartbeat of the loop itself, which wakes an idle process all day; and asyncio's debug mode, which tells
only afterwards, and not where.

State: all fields belong to the clock thread, except `_answered_at`, which the loop's thread sets, and `_blocked_since`,
which any thread may read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from tasker._core import clock, loops, threads
from tasker._core.frames import frames_of_threads
from tasker.combinators._stacks import step_of

logger = logging.getLogger("tasker")

LOOK_EVERY = 0.4
# A look that comes much later than that: the whole process stood still, and so did the loop.
_LATE = 0.2


class LoopWatch:
    """Watches the loop that runs in the calling thread, for the time of its `with` block."""

    def __init__(self, on_alive: Callable[[], object] | None = None, every: float = LOOK_EVERY) -> None:
        """Not yet watching.

        Args:
            on_alive: Called on the clock thread at each look at which the loop is not blocked.
            every: Seconds between two looks.
        """
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._on_alive = on_alive
        self._every = every
        self._system = clock.system()
        self._timer: clock.Timer | None = None
        self._lock = threading.Lock()
        self._is_over = False
        self._is_asked = False
        self._answered_at: float | None = None
        self._busy_since = 0.0
        self._blocked_since: float | None = None

    def __enter__(self) -> Self:
        self._look_later(self._system.monotonic())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_over = True
            if self._timer is not None:
                self._timer.cancel()

    def blocked_for(self) -> float:
        """Return the seconds since the loop was asked and did not answer, if that was noticed; else zero."""
        since = self._blocked_since
        return 0.0 if since is None else self._system.monotonic() - since

    def _look_later(self, now: float) -> None:
        due = now + self._every
        with self._lock:
            if not self._is_over:
                self._timer = self._system.call_at(due, lambda: self._look(due))

    def _look(self, due: float) -> None:
        now = self._system.monotonic()
        try:
            self._judge(now, is_late=now > due + _LATE)
        finally:
            self._look_later(now)

    def _judge(self, now: float, *, is_late: bool) -> None:
        if self._is_asked and self._answered_at is None:
            if is_late:
                self._busy_since = now
            elif self._blocked_since is None:
                self._report_block()
            return
        if self._blocked_since is not None and self._answered_at is not None:
            self._report_end(self._answered_at - self._blocked_since)
        self._is_asked = False
        if self._on_alive is not None:
            self._on_alive()
        if not _waits(frames_of_threads().get(self._thread)):
            self._ask(now)

    def _ask(self, now: float) -> None:
        self._answered_at = None
        self._busy_since = now
        try:
            self._loop.call_soon_threadsafe(self._answer)
            self._is_asked = True
        except RuntimeError:
            pass  # the loop is closed

    def _answer(self) -> None:
        self._answered_at = self._system.monotonic()

    def _report_block(self) -> None:
        name, stack = step_of(self._loop, self._thread)
        self._blocked_since = self._busy_since
        message = "the event loop is blocked by %r, which neither returns nor awaits:\n%s"
        _in_a_worker(lambda: logger.warning(message, name, stack.text()))

    def _report_end(self, seconds: float) -> None:
        self._blocked_since = None
        _in_a_worker(lambda: logger.warning("the event loop turns again; it was blocked for about %.1f s", seconds))


def _waits(frame: FrameType | None) -> bool:
    """Whether the thread of a loop, which is at this frame, waits for something to do."""
    if frame is None or frame.f_code is loops.run_in_new_loop.__code__:
        return True  # a loop written in C has no frames of its own
    above = frame.f_back
    return above is not None and above.f_code is BaseEventLoop._run_once.__code__ and frame.f_code.co_name == "select"  # type: ignore[attr-defined]


def _in_a_worker(log: Callable[[], object]) -> None:
    """Log, but not on the clock thread: logging may block."""
    try:
        threads.submit(log)
    except RuntimeError:
        pass  # the system starts no more threads
