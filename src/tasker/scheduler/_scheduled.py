"""A scheduled task as a task: it runs until its context ends, and then returns normally, like `with_repeat`."""

from __future__ import annotations

import asyncio
from functools import partial

from tasker._core.calling import Completion, raise_outcome
from tasker._core.context import AtEnd, Context, Scope
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task
from tasker.errors import Cancelled
from tasker.scheduler._driver import Driver
from tasker.scheduler._entry import Definition, Entry, Host


class Scheduled(Task):
    """What `Scheduler.with_schedule` returns."""

    def __init__(self, definition: Definition, driver: Driver) -> None:
        """Make the task; it does nothing until it is run."""
        super().__init__(
            f"with_schedule {definition.id!r} {definition}", [definition.effort.around(definition.task, _nobody)]
        )
        self._definition = definition
        self._driver = driver

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            return
        mailbox = mailbox_of(asyncio.get_running_loop())
        completion = Completion(mailbox.loop)
        with Scope(ctx) as scope:
            host = Host(scope.ctx, mailbox, lambda _, error: mailbox.post(partial(completion.finish, error)))
            entry = Entry(self._definition, host)
            self._driver.join([entry])
            with AtEnd(scope.ctx, partial(self._driver.leave, [entry])):
                interruption = await completion.wait(
                    lambda: scope.end(Cancelled("the awaiting asyncio task was cancelled"))
                )
        raise_outcome(completion.outcome or interruption)


def _nobody(number: int, error: Exception, wait: float) -> None:
    """Nobody hears of the retries of a tree that is only shown."""
