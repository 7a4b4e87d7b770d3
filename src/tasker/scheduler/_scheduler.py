"""The scheduler, as people see it."""

from __future__ import annotations

import threading
from typing import overload

from tasker._core.callables import TaskLike
from tasker._core.context import Context, Scope
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_task
from tasker.combinators._retry_policy import Retry
from tasker.lease.lockers import checked_key, lease_in_seconds
from tasker.ports import Action, Instance, LockerFactory, Repository, RunRecord, ScheduleState, Store
from tasker.schedule import Schedule
from tasker.schedule._protocol import checked
from tasker.scheduler._control import Control
from tasker.scheduler._driver import Driver
from tasker.scheduler._effort import Effort
from tasker.scheduler._entry import Definition
from tasker.scheduler._explanation import Explanation
from tasker.scheduler._opening import store_of
from tasker.scheduler._plan import First, Misfire, OnFailure, Overlap, policy_of
from tasker.scheduler._running import Running
from tasker.scheduler._scheduled import Scheduled
from tasker.scheduler._settings import Settings
from tasker.scheduler._usage import Usage

_CALLS_IN_A_LEASE = 3
_A_DAY = 24 * 3600 * 1_000_000
_SHORTEST_PURGE = 2 * 24 * 3600.0


class Scheduler(Task):
    """Runs tasks by schedules, each slot once across all instances of an application that share a store.

    `with_schedule` makes a task that runs by a schedule for as long as it is run itself; what is added with `add` runs
    while the scheduler does, which is a task too.

    Any thread may use it. Its work is done by a thread of its own, and the renewal of leases by another; both start
    with the first scheduled task and end after the last. Building it does no I/O.

    What looks at the store or changes it (`states`, `history`, `explain`, `pause`, `trigger` and so on) does so in the
    calling thread, and blocks for as long as the store takes; the scheduler need not be running, so it serves a script
    or a page for operators as well.
    """

    def __init__(
        self,
        store: Store | str | None = None,
        *,
        locker_factory: LockerFactory | None = None,
        repository: Repository | None = None,
        namespace: str = "",
        name: str | None = None,
        version: str = "",
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
            version: The version of the application, shown beside the name.
            max_running: How many runs this instance may have at once, at least 1.
            lease: How long the slot of an instance that died stays taken, at least three times the store's `call_limit`
                and at most a day; renewed at each third of that.
            max_attempts: How often a slot is started that is never answered for (its instance dies, its lease is lost),
                before it is given up; at least 1. Interruptions do not count.
            history: How many records are kept for each schedule, at least 1, and for a while a tenth more; those that
                are older than 30 days are deleted once a day.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: One is out of its range, or the URL is of no known kind.
        """
        super().__init__("scheduler")
        opened, close_store = store_of(store, locker_factory, repository, namespace)
        seconds = lease_in_seconds(lease, "lease")
        if seconds < _CALLS_IN_A_LEASE * opened.call_limit:
            raise ValueError(
                f"lease: expected at least {_CALLS_IN_A_LEASE} times the {opened.call_limit:g} s that a call to"
                f" the store may take, got {seconds:g} s; give the store a smaller call_limit"
            )
        settings = Settings(
            name=None if name is None else checked_key(name, "name"),
            version="" if version == "" else checked_key(version, "version"),
            max_running=_at_least_one(max_running, "max_running"),
            lease=seconds,
            max_attempts=_at_least_one(max_attempts, "max_attempts"),
            history=_at_least_one(history, "history"),
            history_age=30 * _A_DAY,
        )
        self._usage = Usage(opened, close_store, name)
        self._driver = Driver(self._usage, settings)
        self._control = Control(self._usage, self._driver)
        self._lock = threading.Lock()
        self._definitions: dict[str, Definition] = {}
        self._running: Running | None = None

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
        retry: Retry | None = None,
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
        retry: Retry | None = None,
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
        retry: Retry | None = None,
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
            timeout: How long a run may take, with all its retries, before its context ends and it counts as timed out;
                `None` means no limit.
            retry: Whether the task is run again, under the same lease, when it has failed; `None` means it is not. The
                record of the run has the last error and how many retries there were.
            first: When to run for the first time ever: `"next"` at the first slot, `"now"` at once, `"auto"` at once
                for an `Interval` without anchor and at the first slot for every other schedule.

        Raises:
            TypeError: The id is no string, the schedule is none, or the task cannot be one.
            ValueError: The id is empty, too long or taken already, a policy is unknown, or a duration is not positive.
        """
        checked_key(id, "id")
        checked(schedule, "schedule")
        policy = policy_of(misfire, late, overlap, on_failure, first)
        effort = Effort.of(timeout, retry)

        def build(given: TaskLike) -> Task:
            definition = Definition(id, schedule, policy, to_task(given), effort, is_added=False)
            self._keep(definition)
            return Scheduled(definition, self._driver)

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
        retry: Retry | None = None,
        first: First = "auto",
    ) -> None:
        """Run a task by a schedule while this scheduler runs: from now on, if it does already.

        The arguments are those of `with_schedule`.

        Raises:
            TypeError: The id is no string, the schedule is none, or the task cannot be one.
            ValueError: The id is empty, too long or taken already, a policy is unknown, or a duration is not positive.
        """
        policy = policy_of(misfire, late, overlap, on_failure, first)
        effort = Effort.of(timeout, retry)
        self._keep(Definition(checked_key(id, "id"), schedule, policy, to_task(task), effort, is_added=True))

    def remove(self, id: str) -> None:
        """Forget a schedule that was added: it is not started here any more, and its run, if any, is interrupted.

        What the store knows of it stays, and other instances go on. It does not wait.

        Raises:
            KeyError: No schedule with this id was added.
        """
        with self._lock:
            definition = self._definitions.get(id)
            if definition is None or not definition.is_added:
                raise KeyError(f"no schedule {id!r} was added to this scheduler")
            del self._definitions[id]
            if self._running is not None:
                self._running.end(definition)

    def states(self, *ids: str) -> tuple[ScheduleState, ...]:
        """Return what the store knows of schedules, ordered by id; without ids, of all that it knows.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._control.states(ids or None)

    def history(self, id: str, *, limit: int = 100) -> tuple[RunRecord, ...]:
        """Return the newest records of a schedule, the newest first: one for each run and each range of skipped slots.

        Args:
            id: The id of the schedule; one that nobody knows has no records.
            limit: How many records at most, 1 or more.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._control.history(id, _at_least_one(limit, "limit"))

    def explain(self, id: str) -> Explanation:
        """Say all that is known of a schedule, and why it is running or not; `str()` of it is a text for people.

        Its next slots are there if this scheduler has the schedule; it need not be running.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        with self._lock:
            definition = self._definitions.get(id)
        return self._control.explain(id, None if definition is None else definition.fresh())

    def pause(self, id: str) -> None:
        """Start no more runs of a schedule, on any instance, until it is resumed; one that is running goes on.

        Slots that pass meanwhile are recorded as skipped. The other instances hear of it within a second.

        Raises:
            KeyError: The store knows no such schedule.
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        self._control.act(Action.PAUSE, id)

    def resume(self, id: str) -> None:
        """Go on with a schedule that was paused, with its next slot; resuming one that is not paused changes nothing.

        Raises:
            KeyError: The store knows no such schedule.
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        self._control.act(Action.RESUME, id)

    def trigger(self, id: str) -> None:
        """Ask for a run of a schedule now, by whichever instance comes first, also if it is paused.

        It is a run like any other: it needs the lease, so it waits for one that goes on, and it is recorded. Its slot
        is the instant of this request. Asking again before it was started changes nothing.

        Raises:
            KeyError: The store knows no such schedule.
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        self._control.act(Action.TRIGGER, id)

    def pause_all(self) -> tuple[str, ...]:
        """Pause every schedule in the store, those of other applications with the same namespace too.

        Returns:
            The ids of the schedules, in order.

        Raises:
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        return self._control.act_on_all(Action.PAUSE)

    def resume_all(self) -> tuple[str, ...]:
        """Resume every schedule in the store.

        Returns:
            The ids of the schedules, in order.

        Raises:
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        return self._control.act_on_all(Action.RESUME)

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that have run schedulers with this store, ordered by their ids.

        One that was not seen for several leases is dead, or cut off; after a day it is forgotten.

        Raises:
            StoreUnavailable: The store did not answer.
        """
        return self._control.instances()

    def drain(self, instance: str | None = None) -> None:
        """Let an instance start nothing new, without ending it: what runs there goes on, and the others take over.

        Args:
            instance: Its name or its id, as in `instances`; a name stands for all that have it. `None` means this one.

        Raises:
            KeyError: The store knows no such instance.
            RuntimeError: This one is meant, but is not running.
            StoreUnavailable: The store did not answer; whether it took effect is unknown.
        """
        self._control.drain(instance, draining=True)

    def undrain(self, instance: str | None = None) -> None:
        """Let an instance that was drained start runs again; see `drain`."""
        self._control.drain(instance, draining=False)

    def purge(self, older_than: Duration) -> tuple[str, ...]:
        """Delete the schedules that no instance has run for so long, with their history.

        Instances say once a day which schedules they run, so anything below two days is refused.

        Args:
            older_than: How long nobody has run them, at least two days.

        Returns:
            The ids of the schedules, in order.

        Raises:
            ValueError: The duration is too short.
            StoreUnavailable: The store did not answer; what was deleted until then stays deleted.
        """
        seconds = seconds_of(older_than, "older_than")
        if seconds < _SHORTEST_PURGE:
            raise ValueError(
                f"older_than: expected two days ({_SHORTEST_PURGE:g} s) or more, got {seconds:g} s; instances say only"
                " once a day which schedules they run"
            )
        return self._control.purge(round(seconds * 1_000_000))

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            return
        with Scope(ctx) as scope:
            running = Running(self._driver, scope)
            with self._lock:
                if self._running is not None:
                    raise RuntimeError("the scheduler runs already; make another one for another use at the same time")
                self._running = running
                running.begin([definition for definition in self._definitions.values() if definition.is_added])
            try:
                await running.until_over()
            finally:
                with self._lock:
                    self._running = None

    def _keep(self, definition: Definition) -> None:
        with self._lock:
            if self._definitions.setdefault(definition.id, definition) is not definition:
                raise ValueError(
                    f"id: {definition.id!r} is taken already; each schedule of a scheduler has an id of its own"
                )
            if definition.is_added and self._running is not None:
                self._running.begin([definition])


def _at_least_one(number: int, argument: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{argument}: expected a whole number, got {number!r}")
    if number < 1:
        raise ValueError(f"{argument}: expected 1 or more, got {number}")
    return number
