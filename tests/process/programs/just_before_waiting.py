"""Interrupts itself in the moment between the last step of Python and the wait of the loop, where no handler runs."""

from __future__ import annotations

import asyncio
import ctypes
import operator
import os
import selectors
import signal
from functools import partial

import tasker


class Selector(selectors.EpollSelector):
    is_due = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None and self.is_due:
            self.is_due = False
            # C calls one after the other, with no step of Python between them; `os.kill` would run the handler itself.
            interrupt = partial(ctypes.CDLL(None).kill, os.getpid(), signal.SIGINT)
            wait = self._selector.poll  # type: ignore[attr-defined]  # as the selector itself calls it
            list(map(operator.call, [interrupt, partial(wait, -1)]))
            return super().select(0)
        return super().select(timeout)


selector = Selector()


async def work() -> None:
    selector.is_due = True
    try:
        await asyncio.Event().wait()
    finally:
        print("left")


tasker.run(work, loop_factory=lambda: asyncio.SelectorEventLoop(selector))
