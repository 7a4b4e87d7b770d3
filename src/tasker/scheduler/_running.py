"""A scheduler while it is run as a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from tasker._core.calling import Completion
from tasker._core.context import AtEnd, Scope
from tasker._core.mailbox import mailbox_of
from tasker.combinators._group import together
from tasker.errors import Cancelled
from tasker.scheduler._driver import Driver
from tasker.scheduler._entry import Definition, Entry, Host


class Running:
    """Host to what was added to a scheduler.

    `begin` and `end` may be called from any thread; the rest belongs to the loop.
    """

    def __init__(self, driver: Driver, scope: Scope) -> None:
        self._driver = driver
        self._scope = scope
        self._mailbox = mailbox_of(asyncio.get_running_loop())
        self._completion = Completion(self._mailbox.loop)
        self._host = Host(scope.ctx, self._mailbox, self._left)
        self._entries: dict[Definition, Entry] = {}
        self._failures: list[BaseException] = []

    def begin(self, definitions: Sequence[Definition]) -> None:
        self._mailbox.post(partial(self._begin, definitions))

    def end(self, definition: Definition) -> None:
        self._mailbox.post(partial(self._end, definition))

    async def until_over(self) -> None:
        """Wait until the scope has ended and all have left, and raise the errors of those that failed."""
        with AtEnd(self._scope.ctx, lambda: self._mailbox.post(self._end_all)):
            interruption = await self._completion.wait(self._interrupt)
        if self._failures:
            raise together(self._failures)
        if interruption is not None:
            raise interruption

    def _begin(self, definitions: Sequence[Definition]) -> None:
        if definitions and not self._scope.ctx.done:
            entries = {definition: Entry(definition, self._host) for definition in definitions}
            self._entries.update(entries)
            self._driver.join(list(entries.values()))

    def _end(self, definition: Definition) -> None:
        if definition in self._entries:
            self._driver.leave([self._entries[definition]], Cancelled("the schedule was removed"))

    def _end_all(self) -> None:
        self._driver.leave(list(self._entries.values()))
        self._check()

    def _left(self, entry: Entry, error: BaseException | None) -> None:
        """Called in the driver's thread."""
        self._mailbox.post(partial(self._over, entry.definition, error))

    def _over(self, definition: Definition, error: BaseException | None) -> None:
        del self._entries[definition]
        if error is not None:
            self._failures.append(error)
            cause = Cancelled(f"{definition.id!r} failed: {error!r}")
            cause.__cause__ = error
            self._scope.end(cause)
        self._check()

    def _check(self) -> None:
        if self._scope.ctx.done and not self._entries:
            self._completion.finish()

    def _interrupt(self) -> None:
        self._scope.end(Cancelled("the awaiting asyncio task was cancelled"))
