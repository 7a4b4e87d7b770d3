"""What one coroutine does again and again under one context: it waits for a while, or runs a task.

One hook serves all of it. Ten thousand repeated tasks share their context, and a hook for each wait and each run was a
third of what a run cost.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from typing import TYPE_CHECKING, Self, cast

from tasker._core import calling, clock
from tasker._core.context import Context
from tasker._core.leaving import Outcome
from tasker._core.mailbox import mailbox_of

if TYPE_CHECKING:
    from types import TracebackType

    from tasker._core.task import Task


class Turns:
    """Takes one turn after another on the loop that runs here; the block ends it.

    All fields belong to the thread of the loop; the hook may be called from any thread, and only posts.
    """

    __slots__ = ("_clock", "_ctx", "_future", "_loop", "_mailbox", "_own", "_running")

    def __init__(self, ctx: Context) -> None:
        """Be told when the context ends."""
        self._ctx = ctx
        self._clock = clock.current()
        self._loop = asyncio.get_running_loop()
        self._mailbox = mailbox_of(self._loop)
        self._own = cast("asyncio.Task[object]", asyncio.current_task(self._loop))
        self._future: asyncio.Future[None] | None = None
        self._running: asyncio.Task[Outcome] | None = None
        ctx._attach(self._post_end)  # one that has ended already is looked at before each turn

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ctx._detach(self._post_end)

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the context ends."""
        if self._ctx._cause is not None:
            return
        self._future = self._loop.create_future()
        timer = self._clock.call_later_on(self._loop, seconds, self._go_on)
        try:
            await self._future
        finally:
            timer.cancel()

    async def perform(self, task: Task) -> None:
        """Run a task as a part of the task at hand; raise what leaves it."""
        if not task.is_cancelled_natively:
            await calling.perform(task, self._ctx)
            return
        before = self._own.cancelling()
        running = self._running = task.launch(self._loop, self._ctx)
        try:
            # Not by a future of our own, which would cost another turn of the loop: who cancels the task at hand
            # cancels this one with it, and nothing but its own end ends the waiting.
            outcome = await running
        except CancelledError:
            outcome = calling.outcome_of(running, self._ctx)
        self._running = None
        interruption = None
        if self._own.cancelling() > before:
            # What the other one got is the same cancellation, with its message, by which some know their own.
            interruption = outcome if isinstance(outcome, CancelledError) else CancelledError()
        calling.raise_end(outcome, interruption)

    def _go_on(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _post_end(self) -> None:
        self._mailbox.post(self._end)

    def _end(self) -> None:
        if self._running is None:
            self._go_on()
        else:
            calling.cancel_in_time(self._running, self._ctx, self._loop)
