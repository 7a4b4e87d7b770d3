"""A scheduled task as a task: it runs until its context ends, and then returns normally, like `with_repeat`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from tasker._core.calling import Completion, raise_outcome
from tasker._core.context import Context, Scope
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task
from tasker.errors import Cancelled
from tasker.scheduler._driver import Driver
from tasker.scheduler._entry import Definition, Entry


class Scheduled(Task):
    """What `Scheduler.with_schedule` returns."""

    def __init__(self, definition: Definition, driver: Driver) -> None:
        """Make the task; it does nothing until it is run."""
        super().__init__(f"with_schedule {definition.id!r} {definition.plan}", [definition.task])
        self._definition = definition
        self._driver = driver

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            return
        with Scope(ctx) as scope:
            completion = Completion(asyncio.get_running_loop())
            attend(self._driver, self._definition, scope, completion.finish)
            interruption = await completion.wait(
                lambda: scope.end(Cancelled("the awaiting asyncio task was cancelled"))
            )
            raise_outcome(completion.outcome or interruption)


def attend(
    driver: Driver, definition: Definition, scope: Scope, over: Callable[[BaseException | None], object]
) -> None:
    """Have the driver run a definition until the scope ends.

    Args:
        driver: The driver of the scheduler.
        definition: What to run when.
        scope: Its end makes the entry leave.
        over: Called on the loop that runs here when the driver has let go, with the error that ended it, if one did.
    """
    mailbox = mailbox_of(asyncio.get_running_loop())
    entry = Entry(definition, scope.ctx, mailbox, lambda error: mailbox.post(partial(over, error)))
    driver.join(entry)
    if not scope.ctx._attach(partial(driver.leave, entry)):
        driver.leave(entry)
