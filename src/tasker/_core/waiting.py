"""The only file that sleeps: a thread at a gate, a coroutine at a future.

Both go by the current clock, so that virtual time drives them.
"""

from __future__ import annotations

import asyncio
import select
import threading
import time
from asyncio import events
from collections.abc import Callable
from typing import TYPE_CHECKING

from tasker._core import clock
from tasker._core.mailbox import mailbox_of

if TYPE_CHECKING:
    from tasker._core.context import Context


_LOOK_EVERY = 1.0


class Gate:
    """A gate for one thread: closed at first, opened once, by whichever thread comes first."""

    __slots__ = ("_clock", "is_open", "lock", "parked")

    def __init__(self) -> None:
        self.lock: threading.Lock = threading.Lock()
        self.lock.acquire()
        self.is_open: bool = False
        self.parked: bool = False
        """Whether the virtual clock counts a thread as waiting here; it owns this field."""
        self._clock = clock.current()

    def open(self) -> None:
        """Let the waiting thread go on, now or when it comes; opening twice is the same as once."""
        if not self.is_open:
            self.is_open = True
            try:
                self._clock.unpark(self)
            except RuntimeError:
                pass  # two threads opened it in the same moment

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the gate is open or `timeout` seconds have passed; return whether it is open."""
        return self._clock.park(self, timeout) or self.is_open

    def wait_while(self, alive: Callable[[], bool]) -> bool:
        """Block until the gate is open, or until `alive` is found to say no; look once a (real) second."""
        pause = _LOOK_EVERY if self._clock is clock.system() else None
        while not self.wait(pause):
            if not alive():
                return False
        return True


class Bell:
    """Wakes one thread, again and again; a ring that nobody waits for is remembered."""

    __slots__ = ("_gate", "_lock", "_rung")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung = False
        self._gate: Gate | None = None

    def ring(self) -> None:
        """Wake the thread that waits, or that will wait next."""
        with self._lock:
            self._rung = True
            gate, self._gate = self._gate, None
        if gate is not None:
            gate.open()

    def wait(self, timeout: float | None) -> bool:
        """Block until the bell has been rung since the last wait, or `timeout` seconds have passed."""
        with self._lock:
            if not self._rung:
                gate = self._gate = Gate()
            else:
                gate = None
        if gate is not None:
            gate.wait(timeout)
        with self._lock:
            rung, self._rung, self._gate = self._rung, False, None
        return rung


def let_others_run(is_enough: Callable[[], bool], seconds: float) -> None:
    """Give the interpreter to other threads until it is enough, for (real) `seconds` at most; for signal handlers."""
    end = time.monotonic() + seconds
    while not is_enough() and time.monotonic() < end:
        select.select((), (), (), 0.001)  # `time.sleep` fails under libfaketime, with which people test their clocks


def loop_runs_here() -> bool:
    """Whether an event loop runs in this thread."""
    return events._get_running_loop() is not None  # the documented twin raises where there is none


def refuse_on_loop(what: str, instead: str) -> None:
    """Raise `RuntimeError` if an event loop runs in this thread: blocking would stop it."""
    if loop_runs_here():
        raise RuntimeError(f"{what} would block the event loop that runs in this thread; use {instead}")


def wait_for_end(ctx: Context, timeout: float | None) -> bool:
    """Block until the context ends or `timeout` seconds have passed; return whether it has ended."""
    if ctx.done:
        return True
    gate = Gate()
    hook = gate.open
    if ctx._attach(hook):
        try:
            gate.wait(timeout)
        finally:
            ctx._detach(hook)
    return ctx.done


async def wait_for_end_async(ctx: Context, timeout: float | None) -> bool:
    """Wait until the context ends or `timeout` seconds have passed; return whether it has ended."""
    if ctx.done:
        return True
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    mailbox = mailbox_of(loop)

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    def hook() -> None:
        mailbox.post(wake)

    timer = None if timeout is None else clock.current().call_later_on(loop, timeout, wake)
    if ctx._attach(hook):
        try:
            await future
        finally:
            ctx._detach(hook)
            if timer is not None:
                timer.cancel()
    elif timer is not None:
        timer.cancel()
    return ctx.done
