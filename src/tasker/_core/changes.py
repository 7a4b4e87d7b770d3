"""A coroutine that waits until things that change are as it wants them."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable

from tasker._core import clock
from tasker._core.calling import Completion
from tasker._core.mailbox import Mailbox


class Changes:
    """What one coroutine waits for; it belongs to the loop, and only `post` may be called from elsewhere."""

    def __init__(self, mailbox: Mailbox, interrupt: Callable[[], object]) -> None:
        """Make it on the loop that runs here.

        Args:
            mailbox: The loop's.
            interrupt: Called when the waiting task is cancelled natively, to pass that on.
        """
        self._mailbox = mailbox
        self._completion = Completion(mailbox.loop)
        self._pass_on = interrupt
        self.interruption: CancelledError | None = None
        """The first native cancellation that came while waiting, for the caller to raise at the end."""

    def note(self) -> None:
        """Note that something has changed."""
        self._completion.finish()

    def post(self) -> None:
        """Note it from any thread; quick, and never blocking."""
        self._mailbox.post(self.note)

    async def wait_until(self, is_over: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until something is the case, or the seconds are over, whatever happens."""
        is_late = False

        def late() -> None:
            nonlocal is_late
            is_late = True
            self.note()

        timer = None if seconds is None else clock.current().call_later_on(self._mailbox.loop, seconds, late)
        try:
            while not (is_late or is_over()):
                self._completion.is_done = False
                interruption = await self._completion.wait(self._interrupt)
                self.interruption = self.interruption or interruption
        finally:
            if timer is not None:
                timer.cancel()

    def _interrupt(self) -> None:
        self._pass_on()
        self.note()
