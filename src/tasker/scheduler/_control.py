"""What people ask of schedules and instances, from any process that reaches the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tasker._core import clock
from tasker.lease.lockers import checked_key
from tasker.ports import Action, Instance, RunRecord, ScheduleState, Store
from tasker.schedule._suggestions import did_you_mean
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._driver import Driver
from tasker.scheduler._explanation import Explanation, Local, explain
from tasker.scheduler._plan import Plan
from tasker.scheduler._usage import Usage
from tasker.store import _rules

_LAST_RECORDS = 5
# A bell that has never rung so often: asked for what is new since then, a store only says what time it is.
_FAR = 2**62


class Control:
    """Asks the store in the calling thread, and lets the driver see at once what was changed. Any thread may use it."""

    def __init__(self, usage: Usage, driver: Driver) -> None:
        """Work on the store of a scheduler."""
        self._usage = usage
        self._driver = driver

    def states(self, ids: Sequence[str] | None) -> tuple[ScheduleState, ...]:
        """Return what the store knows of schedules; see `Store.states`."""
        names = None if ids is None else [checked_key(id, "ids") for id in ids]
        with self._usage() as store:
            return store.states(names)

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest records of a schedule; see `Store.history`."""
        checked_key(id, "id")
        with self._usage() as store:
            return store.history(id, limit)

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known."""
        with self._usage() as store:
            return store.instances()

    def explain(self, id: str, plan: Plan | None) -> Explanation:
        """Gather what is known of a schedule; `plan` is that of this process, if it has one."""
        checked_key(id, "id")
        with self._usage() as store:
            states = store.states([id])
            records = store.history(id, _LAST_RECORDS)
            instances = store.instances()
            now = store.poll(_FAR).now
        local = Local(plan, self._asked_for(id))
        state = states[0] if states else None
        return explain(id, state, records=records, instances=instances, now=now, local=local)

    def _asked_for(self, id: str) -> float | None:
        work = self._driver.work
        active = None if work is None else work.active(id)
        if active is None or active.asked_at is None:
            return None
        return clock.current().boottime() - active.asked_at

    def act(self, action: Action, id: str) -> None:
        """Do something to one schedule.

        Raises:
            KeyError: The store does not know it.
        """
        checked_key(id, "id")
        with self._usage() as store:
            if id not in self._act(store, action, [id]):
                raise KeyError(_unknown(f"schedule {id!r}", id, [state.id for state in store.states()]))
        self._driver.look_soon()

    def act_on_all(self, action: Action) -> tuple[str, ...]:
        """Do something to all schedules; return their ids."""
        with self._usage() as store:
            ids = self._act(store, action, None)
        self._driver.look_soon()
        return tuple(sorted(ids))

    def _act(self, store: Store, action: Action, ids: Sequence[str] | None) -> frozenset[str]:
        paused = [state for state in store.states(ids) if state.paused is not None] if action is Action.RESUME else []
        done = store.control(action, ids)
        self._announce_resumed([state for state in paused if state.id in done.ids], done.now)
        return done.ids

    def _announce_resumed(self, paused: Sequence[ScheduleState], now: int) -> None:
        """Say which slots were passed over; only here, as every instance hears that the schedules were resumed."""
        work = self._driver.work
        name, owner = ("", "") if work is None else (work.name, work.owner)
        announce = Announcer(name, owner, lambda: now)
        for state in paused:
            if (passed := _rules.passed_while_paused(state, now)) is not None:
                announce.skipped(state.id, passed)

    def drain(self, instance: str | None, *, draining: bool) -> None:
        """Let instances start nothing new, or go on.

        Raises:
            KeyError: The store knows none with this name or id.
            RuntimeError: This one is meant, but is not running.
        """
        with self._usage() as store:
            owners = [self._own(store)] if instance is None else _owners_of(instance, store.instances())
            store.drain(owners, draining=draining)
        self._driver.look_soon()

    def _own(self, store: Store) -> str:
        work = self._driver.work
        if work is None:
            raise RuntimeError("this scheduler is not running; name the instance to drain, see instances()")
        # It may have been asked before it has ever said that it is there.
        store.beat(work.owner, work.name, work.version)
        return work.owner

    def purge(self, age: int) -> tuple[str, ...]:
        """Delete what nobody has registered for `age` microseconds; return the ids."""
        gone: set[str] = set()
        with self._usage() as store:
            before = store.poll(_FAR).now - age
            while ids := store.purge(before).ids:
                gone |= ids
        return tuple(sorted(gone))


def _owners_of(instance: str, known: Collection[Instance]) -> list[str]:
    owners = [each.owner for each in known if instance in (each.owner, each.name)]
    if not owners:
        raise KeyError(_unknown(f"instance {instance!r}", instance, [each.name for each in known]))
    return owners


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    return f"the store knows no {what}, but {len(known)} others{did_you_mean(given, known)}"
