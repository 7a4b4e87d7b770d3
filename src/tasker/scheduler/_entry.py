"""What the driver keeps of each schedule that this instance runs, and of each run."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

from tasker._core import clock
from tasker._core.context import Context
from tasker._core.frozen import maker_of
from tasker._core.mailbox import Mailbox
from tasker._core.task import Task
from tasker.ports import FORMAT, Ending, Grant, Held
from tasker.schedule import Schedule
from tasker.scheduler._effort import Effort
from tasker.scheduler._known import Known
from tasker.scheduler._plan import Plan, Policy

_held = maker_of(Held)


class Definition(Plan):
    """A schedule as it was built: an id, when, and what. It never changes.

    It is a plan and does not have one, as each object of a hundred thousand schedules costs memory, and time of the
    garbage collector.
    """

    __slots__ = ("effort", "id", "is_added", "task")

    def __init__(
        self, id: str, schedule: Schedule, policy: Policy, task: Task, effort: Effort, *, is_added: bool
    ) -> None:
        """Keep what was checked before; `is_added`: it runs while its scheduler does, not as a task of its own."""
        super().__init__(id, schedule, policy)
        self.is_added = is_added
        self.effort = effort
        self.id = id
        self.task = task


class Host:
    """Where entries run and who hears of their end: the same for all that one scheduler has added."""

    __slots__ = ("ctx", "home", "left", "variables")

    def __init__(self, ctx: Context, home: Mailbox, left: Callable[[Entry, BaseException | None], object]) -> None:
        """Be a host for entries that run in the context variables of the caller.

        Args:
            ctx: The runs of the entries are under it.
            home: The loop on which what is async in the tasks runs.
            left: Called when the driver has let go of an entry, with the error that ended it, if one did.
        """
        self.ctx = ctx
        self.home = home
        self.left = left
        self.variables = contextvars.copy_context()


class Entry(Known):
    """A definition while it is run by this instance. All that changes belongs to the driver's thread."""

    __slots__ = ("active", "definition", "due", "error", "host", "id", "is_leaving", "misses", "place", "until_trim")

    def __init__(self, definition: Definition, host: Host) -> None:
        """Make the entry for one use of a definition."""
        super().__init__()
        self.id = definition.id
        self.definition = definition
        self.host = host
        self.active: ActiveRun | None = None
        self.is_leaving = False
        self.error: BaseException | None = None
        self.misses = 0
        self.due: int | None = None
        """When the agenda has it."""
        self.place = 0
        """Where the agenda has it; the agenda owns both of these fields."""
        self.until_trim = 1
        """After how many more records its history is looked at; the trimming owns this field."""

    @property
    def is_ignored(self) -> bool:
        """Whether its row is left alone: it cannot be read, or a newer version of tasker wrote it."""
        return self.format > FORMAT


class ActiveRun:
    """A run that was granted and is not recorded yet.

    `ctx` may be ended from any thread; what is not said below belongs to the driver's thread.
    """

    __slots__ = ("asked_at", "began", "ctx", "ending", "entry", "grant", "held", "recorded_by", "retries")

    def __init__(self, entry: Entry, grant: Grant, ctx: Context, began: float) -> None:
        """Take what was granted for an entry at `began` (`Clock.boottime`)."""
        self.entry = entry
        self.grant = grant
        self.held = _held(grant.id, grant.token)
        self.ctx = ctx
        self.began = began
        self.asked_at: float | None = None
        """Since when it is asked to end, as `Clock.boottime`; any thread may set it."""
        self.retries = 0
        """How often its task was run again; the thread or loop that does so sets it."""
        self.ending: Ending | None = None
        self.recorded_by: float | None = None
        """When to give up recording it, as `Clock.boottime`; `None` means never."""

    def note_asked(self) -> None:
        """Note since when it is asked to end."""
        if self.asked_at is None:
            self.asked_at = clock.current().boottime()
