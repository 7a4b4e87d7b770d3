"""Calls into an event loop from any thread, where a burst of calls costs one wake-up."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop, events
from collections import deque
from collections.abc import Callable


class Mailbox:
    """Hands calls to a loop.

    Any thread posts; the loop's thread delivers. No lock is needed: a call is put in before the flag is read, and the
    flag is cleared before the calls are taken out, so that the worst that a race can do is one delivery of nothing.
    """

    __slots__ = ("_calls", "_is_due", "loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._calls: deque[Callable[[], object]] = deque()
        self._is_due = False

    def post(self, call: Callable[[], object]) -> None:
        """Have `call` called on the loop, soon and never at once; if the loop is closed, never."""
        self._calls.append(call)
        if self._is_due:
            return
        self._is_due = True
        try:
            if events._get_running_loop() is self.loop:
                self.loop.call_soon(self._deliver)
            else:
                self.loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            self._is_due = False
            self._calls.clear()  # closed: nobody is there any more

    def _deliver(self) -> None:
        self._is_due = False
        # What calls post while they are delivered waits for the next turn of the loop.
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            try:
                call()
            except Exception as error:  # noqa: BLE001 - as for every callback of a loop
                self.loop.call_exception_handler({"message": "a call from another thread failed", "exception": error})


_mine = threading.local()


def mailbox_of(loop: AbstractEventLoop) -> Mailbox:
    """Return a mailbox of the loop that runs in this thread."""
    mailbox: Mailbox | None = getattr(_mine, "mailbox", None)
    if mailbox is None or mailbox.loop is not loop:
        mailbox = _mine.mailbox = Mailbox(loop)
    return mailbox
