"""The memory store: the table that all other stores keep elsewhere, as dicts under one lock.

It is the reference for whoever writes another one, together with the rules that it applies (`tasker.store._rules`):
each operation takes the lock, reads the clock once, and replies with values that nobody can change. One store object is
one world; several schedulers of one process share it by sharing the object. Nothing survives the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from tasker._core import clock
from tasker._core.durations import Duration
from tasker.errors import StaleToken
from tasker.lease import lockers
from tasker.ports import (
    FORMAT,
    Acquired,
    Action,
    Answer,
    Beaten,
    Claimed,
    Definition,
    Done,
    Ending,
    Finished,
    Grant,
    Held,
    Instance,
    LeaseGrant,
    Polled,
    Proposal,
    Registered,
    Renewed,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store import _rules
from tasker.store._lock_row import LockRow, is_free, is_lock_holder, take
from tasker.store._namespace import checked_namespace
from tasker.store._packed import Packed, packed, unpacked
from tasker.store._row import Row

_PURGE_AT_MOST = 1_000
_TRIM_AT_MOST = 10_000


class Store:
    """Keeps schedules, their history and locks in this process; implements `tasker.ports.Store` and `LeaseStore`.

    Its clock is tasker's own, so that virtual time drives it in tests.

    Attributes:
        namespace: Accepted so that all stores are made alike; each memory store is a world of its own anyway.
        call_limit: No operation waits for anything, so it is never reached.
    """

    def __init__(self, namespace: str = "", *, keep: int = 100) -> None:
        """Make an empty store.

        Args:
            namespace: An identifier, or empty, as for every store; it has no effect here.
            keep: How many records of history are kept for each schedule; the oldest go first.

        Raises:
            TypeError: The namespace is no string.
            ValueError: It is neither empty nor an identifier of at most 63 characters.
        """
        self.namespace: str = checked_namespace(namespace)
        self.call_limit: float = 3.0
        self._keep = keep
        self._mutex = threading.Lock()
        self._epoch = 0
        self._rows: dict[str, Row] = {}
        self._records: dict[str, list[Packed]] = {}
        self._rung: dict[str, None] = {}
        self._locks: dict[str, LockRow] = {}
        self._instances: dict[str, Instance] = {}
        self._listeners: dict[object, Callable[[], object]] = {}

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them."""
        with self._mutex:
            now = self._now()
            for definition in definitions:
                row = self._rows.get(definition.id)
                if row is None:
                    self._rows[definition.id] = _rules.new(definition, now)
                else:
                    _rules.register_again(row, definition, now)
            return Registered(now, self._epoch, self._states(definition.id for definition in definitions))

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease."""
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        with self._mutex:
            now = self._now()
            for proposal in proposals:
                row = self._rows.get(proposal.id)
                if row is None:
                    continue
                if len(grants) < capacity and _rules.is_claimable(row, proposal, now):
                    grants.append(self._grant(row, proposal, owner, ttl, now))
                else:
                    refused.append(row.state())
            return Claimed(now, tuple(grants), tuple(refused))

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        grant, dead = _rules.claim(row, proposal, owner, ttl, now)
        if dead is not None:
            self._record(dead)
        return grant

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:  # noqa: ARG002 - never waits
        """Let the leases end later, where owner and token are still those of the row."""
        with self._mutex:
            now = self._now()
            kept = {
                lease.id
                for lease in held
                if (row := self._rows.get(lease.id)) is not None and _rules.renew(row, owner, lease.token, ttl, now)
            }
            return Renewed(now, frozenset(kept))

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history."""
        with self._mutex:
            now = self._now()
            answers = {ending.id: self._finish(owner, ending, now) for ending in endings}
            self._ring(ending.id for ending in endings if _rules.is_given_back(ending, answers[ending.id]))
            return Finished(now, answers)

    def _finish(self, owner: str, ending: Ending, now: int) -> Answer:
        row = self._rows.get(ending.id)
        if row is None:
            return Answer.LOST
        if _rules.is_holder(row, owner, ending.token):
            self._record(*_rules.finish(row, ending, now))
            return Answer.RECORDED
        recorded = _rules.was_recorded(row, owner, ending, map(unpacked, self._records.get(ending.id, ())))
        return Answer.ALREADY if recorded else Answer.LOST

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free."""
        with self._mutex:
            now = self._now()
            moved: set[str] = set()
            for skipped in skips:
                row = self._rows.get(skipped.id)
                record = None if row is None else _rules.skip(row, skipped, now)
                if record is not None:
                    self._record(record)
                    moved.add(skipped.id)
            return Done(now, frozenset(moved))

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens."""
        with self._mutex:
            freed: list[str] = []
            for held in abandoned:
                row = self._rows.get(held.id)
                if row is not None and _rules.is_holder(row, owner, held.token):
                    _rules.release(row)
                    freed.append(held.id)
            self._ring(freed)
            return Done(self._now(), frozenset(freed))

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules, and ring the bell."""
        with self._mutex:
            now = self._now()
            rows = [row for row in self._select(ids) if row.format <= FORMAT]
            for row in rows:
                record = _rules.control(row, action, now)
                if record is not None:
                    self._record(record)
            known = frozenset(row.id for row in rows)
            self._ring(known)
            return Done(now, known)

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`."""
        with self._mutex:
            touched: list[str] = []
            for id in reversed(self._rung):
                if self._rows[id].rung <= epoch:
                    break
                touched.append(id)
            return Polled(self._now(), self._epoch, self._states(touched))

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        with self._mutex:
            return self._states(ids)

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule, the newest first."""
        with self._mutex:
            return tuple(map(unpacked, self._records.get(id, ())[: -limit - 1 : -1]))

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`."""
        left = _TRIM_AT_MOST
        with self._mutex:
            for id in ids:
                records = self._records.get(id, [])
                old = sum(at < before for at, *_ in records)
                gone = min(left, max(old, len(records) - keep))
                del records[:gone]
                left -= gone
            return _TRIM_AT_MOST - left

    def purge(self, before: int) -> Done:
        """Delete the schedules that nobody has registered since `before`, with their history."""
        with self._mutex:
            now = self._now()
            old = [row.id for row in self._select(None) if _rules.is_purgeable(row, before, now)][:_PURGE_AT_MOST]
            for id in old:
                del self._rows[id]
                self._records.pop(id, None)
                self._rung.pop(id, None)
            return Done(now, frozenset(old))

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives."""
        with self._mutex:
            now = self._now()
            known = self._instances.get(owner)
            instance = Instance(
                owner=owner,
                name=name,
                version=version,
                started=now if known is None else known.started,
                seen=now,
                is_draining=known is not None and known.is_draining,
            )
            self._instances[owner] = instance
            return Beaten(now, instance.is_draining)

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances."""
        with self._mutex:
            return Done(self._now(), frozenset(owner for owner in owners if self._instances.pop(owner, None)))

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner."""
        with self._mutex:
            return tuple(instance for _, instance in sorted(self._instances.items()))

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on, and ring the bell."""
        with self._mutex:
            known = [owner for owner in owners if owner in self._instances]
            for owner in known:
                self._instances[owner] = replace(self._instances[owner], is_draining=draining)
            if known:
                self._epoch += 1
                self._tell()
            return Done(self._now(), frozenset(known))

    def on_ring(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back whenever the bell is rung, until what is returned is called; the callback must be quick."""
        token = object()
        with self._mutex:
            self._listeners[token] = callback
        return lambda: self._listeners.pop(token, None) and None

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each with a new token."""
        grants: list[LeaseGrant] = []
        with self._mutex:
            now = self._now()
            for key in keys:
                row = self._locks.setdefault(key, LockRow())
                if is_free(row, now):
                    take(row, owner, ttl, now)
                    grants.append(LeaseGrant(key, row.token, row.lease_until))
            return Acquired(now, tuple(grants))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:  # noqa: ARG002 - never waits
        """Let locks end later, where owner and token are still those of the row."""
        with self._mutex:
            now = self._now()
            mine = self._held(owner, held)
            for row in mine.values():
                row.lease_until = now + ttl
            return Renewed(now, frozenset(mine))

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row."""
        with self._mutex:
            mine = self._held(owner, held)
            for row in mine.values():
                row.owner = None
            return Done(self._now(), frozenset(mine))

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _now(self) -> int:
        # Rounded, not cut: a virtual instant that is a whole number of microseconds must stay that one.
        return round(clock.current().time() * 1_000_000)

    def _ring(self, ids: Iterable[str]) -> None:
        """Ring the bell for these rows, if there are any; the rows rung last stand last in `_rung`."""
        rows = [self._rows[id] for id in ids]
        if not rows:
            return
        self._epoch += 1
        for row in rows:
            row.rung = self._epoch
            self._rung.pop(row.id, None)
            self._rung[row.id] = None
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners.values()):
            listener()

    def _record(self, *records: RunRecord) -> None:
        for record in records:
            kept = self._records.setdefault(record.id, [])
            kept.append(packed(record))
            if len(kept) > self._keep:
                del kept[0]

    def _select(self, ids: Iterable[str] | None) -> list[Row]:
        names = sorted(self._rows if ids is None else set(ids))
        return [self._rows[id] for id in names if id in self._rows]

    def _states(self, ids: Iterable[str] | None) -> tuple[ScheduleState, ...]:
        return tuple(row.state() for row in self._select(ids))

    def _held(self, owner: str, held: Sequence[Held]) -> dict[str, LockRow]:
        rows = ((lease, self._locks.get(lease.id)) for lease in held)
        return {lease.id: row for lease, row in rows if row is not None and is_lock_holder(row, owner, lease.token)}


class LockerFactory(lockers.LockerFactory):
    """Gives lockers for locks that threads and loops of this process share; implements `tasker.ports.LockerFactory`."""

    def __init__(self, store: Store | None = None, *, ttl: Duration = 15) -> None:
        """Make a factory.

        Args:
            store: Where the locks are; factories of one store share them. `None` means a store of its own.
            ttl: How long a lock outlives a holder that does not renew it, at most a day.

        Raises:
            TypeError: The duration is of another kind.
            ValueError: It is not positive, or longer than a day.
        """
        super().__init__(Store() if store is None else store, ttl=ttl)


class Repository:
    """Keeps one `ScheduleState` for each id in this process; implements `tasker.ports.Repository`.

    Its states are not the rows of a `Store`: those belong to `claim` and `finish`, and a whole state written over one
    of them would undo a claim.
    """

    def __init__(self) -> None:
        """Make an empty repository."""
        self._mutex = threading.Lock()
        self._states: dict[str, ScheduleState] = {}

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none."""
        return self._states.get(id)

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""
        with self._mutex:
            self._states.setdefault(state.id, state)

    def update(self, state: ScheduleState) -> None:
        """Replace the state, or store it if there is none.

        Raises:
            StaleToken: The stored state has a higher `token`.
        """
        with self._mutex:
            newest = self._states.get(state.id, state).token
            if state.token < newest:
                raise StaleToken(state.id, state.token, newest)
            self._states[state.id] = state

    def delete_by_id(self, id: str) -> None:
        """Delete the state; deleting what is not there is no error."""
        with self._mutex:
            self._states.pop(id, None)
