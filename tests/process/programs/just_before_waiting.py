"""Interrupts itself in the moment between the last step of Python and the wait of the main thread.

No handler of a signal is called there. The argument says what is waited with: a loop, or a lock.
"""

from __future__ import annotations

import asyncio
import ctypes
import operator
import os
import selectors
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial

import tasker
from tasker import Context
from tasker._core.waiting import Gate


def interrupted(wait: Callable[[], object]) -> object:
    """Wait, in C: with no step of Python between the signal and that. `os.kill` would call the handler itself."""
    interrupt = partial(ctypes.CDLL(None).kill, os.getpid(), signal.SIGINT)
    return list(map(operator.call, [interrupt, wait]))[1]  # type: ignore[arg-type]  # it does not know `call`


class Selector(selectors.EpollSelector):
    is_due = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None and self.is_due:
            self.is_due = False
            interrupted(partial(self._selector.poll, -1))  # type: ignore[attr-defined]  # as `super` calls it
            return super().select(0)
        return super().select(timeout)


class Lock:
    """Interrupts the first that waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.release = self._lock.release
        self._is_due = True

    def acquire(self, timeout: float = -1) -> object:
        wait = partial(self._lock.acquire, True, timeout)
        if not self._is_due:
            return wait()
        self._is_due = False
        return interrupted(wait)


selector = Selector()


async def work_on_a_loop() -> None:
    selector.is_due = True
    try:
        await asyncio.Event().wait()
    finally:
        print("left")


def work(ctx: Context) -> None:
    gate = Gate()
    gate.lock = Lock()  # type: ignore[assignment]
    try:
        gate.wait()
    finally:
        print("left")


if sys.argv[1] == "loop":
    tasker.run(work_on_a_loop, loop_factory=lambda: asyncio.SelectorEventLoop(selector))
else:
    tasker.run(work)
