"""The scheduler, as people see it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import overload

from tasker._core.callables import TaskLike
from tasker._core.calling import Completion
from tasker._core.context import AtEnd, Context, Scope
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration, seconds_of
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task, to_task
from tasker.combinators import with_timeout
from tasker.combinators._group import together
from tasker.errors import Cancelled
from tasker.lease.lockers import checked_key
from tasker.ports import LockerFactory, Repository, ScheduleState, Store
from tasker.schedule import Schedule
from tasker.scheduler._driver import Driver
from tasker.scheduler._entry import Definition, Entry, Host
from tasker.scheduler._pair import PairStore
from tasker.scheduler._plan import First, Misfire, OnFailure, Overlap, Plan, policy_of
from tasker.scheduler._scheduled import Scheduled
from tasker.scheduler._settings import Settings
from tasker.store import open_store

_CALLS_IN_A_LEASE = 3
_A_DAY = 24 * 3600 * 1_000_000


class Scheduler(Task):
    """Runs tasks by schedules, each slot once across all instances of an application that share a store.

    `with_schedule` makes a task that runs by a schedule for as long as it is run itself; what is added with `add` runs
    while the scheduler does, which is a task too.

    Any thread may use it. Its work is done by a thread of its own, and the renewal of leases by another; both start
    with the first scheduled task and end after the last. Building it does no I/O.
    """

    def __init__(
        self,
        store: Store | str | None = None,
        *,
        locker_factory: LockerFactory | None = None,
        repository: Repository | None = None,
        namespace: str = "",
        name: str | None = None,
        max_running: int = 64,
        lease: Duration = 15,
        max_attempts: int = 3,
        history: int = 100,
    ) -> None:
        """Make a scheduler.

        Args:
            store: A store, or the URL of one, such as `sqlite:///tasker.db` or `postgresql://…`; `None` means a store
                in memory, which is this process's own.
            locker_factory: Instead of a store: where the locks are. It goes with `repository`.
            repository: Instead of a store: where the states are.
            namespace: Keeps applications apart that share a store, when that is given by URL.
            name: What people know this instance as; `None` means a part of its random id.
            max_running: How many runs this instance may have at once, at least 1.
            lease: How long the slot of an instance that died stays taken; renewed at each third of that.
            max_attempts: How often a slot is started that is never answered for (its instance dies, its lease is lost),
                before it is given up; at least 1. Interruptions do not count.
            history: How many records are kept for each schedule, at least 1; none becomes older than 30 days.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: One is out of its range, or the URL is of no known kind.
        """
        super().__init__("scheduler")
        self._store, close_store = _store_of(store, locker_factory, repository, namespace)
        seconds = seconds_of(lease, "lease", positive=True)
        if seconds < _CALLS_IN_A_LEASE * self._store.call_limit:
            raise ValueError(
                f"lease: expected at least {_CALLS_IN_A_LEASE} times the {self._store.call_limit:g} s that a call to"
                f" the store may take, got {seconds:g} s; give the store a smaller call_limit"
            )
        settings = Settings(
            name=None if name is None else checked_key(name, "name"),
            max_running=_at_least_one(max_running, "max_running"),
            lease=seconds,
            max_attempts=_at_least_one(max_attempts, "max_attempts"),
            history=_at_least_one(history, "history"),
            history_age=30 * _A_DAY,
            close_store=close_store,
        )
        self._driver = Driver(self._store, settings)
        self._lock = threading.Lock()
        # What was added, by its id; `None` for what runs as a task of its own.
        self._definitions: dict[str, Definition | None] = {}
        self._running: _Running | None = None

    @overload
    def with_schedule(
        self,
        id: str,
        schedule: Schedule,
        *,
        misfire: Misfire = "run_once",
        late: Duration | None = None,
        overlap: Overlap = "skip",
        on_failure: OnFailure = "record",
        timeout: Duration | None = None,
        first: First = "auto",
    ) -> Decorator: ...
    @overload
    def with_schedule(
        self,
        id: str,
        schedule: Schedule,
        task: TaskLike,
        *,
        misfire: Misfire = "run_once",
        late: Duration | None = None,
        overlap: Overlap = "skip",
        on_failure: OnFailure = "record",
        timeout: Duration | None = None,
        first: First = "auto",
    ) -> Task: ...
    def with_schedule(
        self,
        id: str,
        schedule: Schedule,
        task: TaskLike | None = None,
        *,
        misfire: Misfire = "run_once",
        late: Duration | None = None,
        overlap: Overlap = "skip",
        on_failure: OnFailure = "record",
        timeout: Duration | None = None,
        first: First = "auto",
    ) -> Task | Decorator:
        """Make a task that runs another one by a schedule, each slot once across all instances with the same store.

        It runs until its context ends, and then returns normally. A run that is cancelled then, or leaves with
        `Cancelled`, is interrupted: its slot goes back, and another instance starts it within a second. A task that
        returns has succeeded, also if it returns early because its context has ended.

        Args:
            id: The name of the schedule in the store, the same on every instance; 1 to 255 characters.
            schedule: When to run.
            task: What to run; if it is left out, a decorator is returned.
            misfire: What to do about slots that passed while nothing ran: `"run_once"` runs the latest of them,
                `"run_all"` runs all in their order (the newest 1,000 at most), `"skip"` none (a slot that is less than
                `late`, or 30 s, ago is not missed). What is not run is recorded as skipped.
            late: How late a slot may start at all, more than zero; `None` means however late. Neither this nor
                `misfire` concerns an `Interval` without anchor: it misses nothing, but runs as soon as it can.
            overlap: What to do about slots that pass while the task still runs: `"skip"` them, or `"queue"` one.
            on_failure: `"record"` logs and records a failure, and goes on with the next slot; `"raise"` ends this task
                with the error as well.
            timeout: How long a run may take before its context ends and it counts as timed out; `None` means no limit.
            first: When to run for the first time ever: `"next"` at the first slot, `"now"` at once, `"auto"` at once
                for an `Interval` without anchor and at the first slot for every other schedule.

        Raises:
            TypeError: The id is no string, the schedule is none, or the task cannot be one.
            ValueError: The id is empty, too long or taken already, a policy is unknown, or a duration is not positive.
        """
        plan = Plan(checked_key(id, "id"), schedule, policy_of(misfire, late, overlap, on_failure, first))
        limit = None if timeout is None else seconds_of(timeout, "timeout", positive=True)

        def build(given: TaskLike) -> Task:
            return Scheduled(self._define(id, plan, given, limit), self._driver)

        return Decorator(f"with_schedule({id!r}, {schedule!r})", build) if task is None else build(task)

    def add(
        self,
        id: str,
        schedule: Schedule,
        task: TaskLike,
        *,
        misfire: Misfire = "run_once",
        late: Duration | None = None,
        overlap: Overlap = "skip",
        on_failure: OnFailure = "record",
        timeout: Duration | None = None,
        first: First = "auto",
    ) -> None:
        """Run a task by a schedule while this scheduler runs: from now on, if it does already.

        The arguments are those of `with_schedule`.

        Raises:
            TypeError: The id is no string, the schedule is none, or the task cannot be one.
            ValueError: The id is empty, too long or taken already, a policy is unknown, or a duration is not positive.
        """
        plan = Plan(checked_key(id, "id"), schedule, policy_of(misfire, late, overlap, on_failure, first))
        limit = None if timeout is None else seconds_of(timeout, "timeout", positive=True)
        definition = self._define(id, plan, task, limit)
        with self._lock:
            self._definitions[id] = definition
            if self._running is not None:
                self._running.begin(definition)

    def remove(self, id: str) -> None:
        """Forget a schedule that was added: it is not started here any more, and its run, if any, is interrupted.

        What the store knows of it stays, and other instances go on. It does not wait.

        Raises:
            KeyError: No schedule with this id was added.
        """
        with self._lock:
            definition = self._definitions.get(id)
            if definition is None:
                raise KeyError(f"no schedule {id!r} was added to this scheduler")
            del self._definitions[id]
            if self._running is not None:
                self._running.end(definition)

    def states(self, *ids: str) -> tuple[ScheduleState, ...]:
        """Return what the store knows of schedules, ordered by id; without ids, of all that it knows.

        It asks the store in the calling thread, and blocks for as long as that takes.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._store.states([checked_key(id, "ids") for id in ids] if ids else None)

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            return
        with Scope(ctx) as scope:
            running = _Running(self._driver, scope)
            with self._lock:
                if self._running is not None:
                    raise RuntimeError("the scheduler runs already; make another one for another use at the same time")
                self._running = running
                for definition in self._definitions.values():
                    if definition is not None:
                        running.begin(definition)
            try:
                await running.until_over()
            finally:
                with self._lock:
                    self._running = None

    def _define(self, id: str, plan: Plan, task: TaskLike, limit: float | None) -> Definition:
        made = to_task(task)
        with self._lock:
            if id in self._definitions:
                raise ValueError(f"id: {id!r} is taken already; each schedule of a scheduler has an id of its own")
            self._definitions[id] = None
        return Definition(id, plan, made if limit is None else with_timeout(limit, made))


class _Running:
    """The scheduler while it is run as a task: host to what was added.

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

    def begin(self, definition: Definition) -> None:
        self._mailbox.post(partial(self._begin, definition))

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

    def _begin(self, definition: Definition) -> None:
        if not self._scope.ctx.done:
            entry = self._entries[definition] = Entry(definition, self._host)
            self._driver.join(entry)

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


def _store_of(
    store: Store | str | None,
    locker_factory: LockerFactory | None,
    repository: Repository | None,
    namespace: str,
) -> tuple[Store, Callable[[], object]]:
    """Return the store, and what closes it when nothing runs any more."""
    if (locker_factory is None) != (repository is None):
        raise TypeError("locker_factory and repository go together: give both, or neither")
    if locker_factory is not None and repository is not None:
        if store is not None:
            raise TypeError("expected either a store, or a locker_factory and a repository, got all of them")
        if namespace:
            raise ValueError("namespace: give it to the locker factory and the repository when you make them")
        if not callable(getattr(locker_factory, "locker_for", None)):
            raise TypeError(f"locker_factory: expected an object with locker_for(key), got {locker_factory!r}")
        if not callable(getattr(repository, "find_by_id", None)):
            raise TypeError(f"repository: expected an object with find_by_id(id) and more, got {repository!r}")
        pair = PairStore(locker_factory, repository)
        return pair, pair.close
    if isinstance(store, str) or store is None:
        opened = open_store("memory:" if store is None else store, namespace=namespace)
        return opened, opened.close
    if namespace:
        raise ValueError("namespace: give it to the store itself when you make one")
    if not callable(getattr(store, "claim", None)):
        raise TypeError(f"store: expected a store or the URL of one, got {store!r}")
    return store, _nothing


def _nothing() -> None:
    """A store that was given is closed by whoever gave it."""


def _at_least_one(number: int, argument: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{argument}: expected a whole number, got {number!r}")
    if number < 1:
        raise ValueError(f"{argument}: expected 1 or more, got {number}")
    return number
