"""What the driver keeps of each schedule that this instance runs, and of each run."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

from tasker._core.context import Context
from tasker._core.mailbox import Mailbox
from tasker._core.task import Task
from tasker.ports import Ending, Grant, Held, ScheduleState
from tasker.scheduler._plan import Plan


class Definition:
    """A schedule as it was built: an id, when, and what. It never changes."""

    __slots__ = ("id", "plan", "task")

    def __init__(self, id: str, plan: Plan, task: Task) -> None:
        """Keep what was checked before."""
        self.id = id
        self.plan = plan
        self.task = task


class Entry:
    """A definition while it is run by this instance. All that changes belongs to the driver's thread."""

    __slots__ = (
        "active",
        "ctx",
        "definition",
        "error",
        "home",
        "id",
        "is_leaving",
        "left",
        "misses",
        "place",
        "plan",
        "state",
        "variables",
    )

    def __init__(
        self, definition: Definition, ctx: Context, home: Mailbox, left: Callable[[BaseException | None], object]
    ) -> None:
        """Make the entry for one use of a definition.

        Args:
            definition: What to run when.
            ctx: Ends when this use of it ends.
            home: The loop on which what is async in the task runs.
            left: Called when the driver has let go of the entry, with the error that ended it, if one did.
        """
        self.definition = definition
        self.id = definition.id
        self.plan = definition.plan
        self.ctx = ctx
        self.home = home
        self.left = left
        self.variables = contextvars.copy_context()
        self.state: ScheduleState | None = None
        self.active: ActiveRun | None = None
        self.is_leaving = False
        self.error: BaseException | None = None
        self.misses = 0
        self.place = 0


class ActiveRun:
    """A run that was granted and is not recorded yet.

    `ctx` may be ended from any thread; the rest belongs to the driver's thread.
    """

    __slots__ = ("ctx", "ending", "entry", "grant", "held", "recorded_by")

    def __init__(self, entry: Entry, grant: Grant, ctx: Context) -> None:
        """Take what was granted for an entry."""
        self.entry = entry
        self.grant = grant
        self.held = Held(grant.id, grant.token)
        self.ctx = ctx
        self.ending: Ending | None = None
        self.recorded_by: float | None = None
        """When to give up recording it, as `Clock.boottime`; `None` means never."""
