"""The store: each operation is one transaction that reads rows, applies the rules, and writes what changed."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TypeVar

from tasker._core.durations import seconds_of
from tasker.errors import StoreUnavailable
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
    Polled,
    Proposal,
    Registered,
    Renewed,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store import _rules
from tasker.store._namespace import checked_namespace
from tasker.store._row import Row
from tasker.store._texts import storable
from tasker.store.sqlite._file import File
from tasker.store.sqlite._history import History
from tasker.store.sqlite._instances import Instances
from tasker.store.sqlite._locks import Locks
from tasker.store.sqlite._table import Table
from tasker.store.sqlite._time import now as _now

_Reply = TypeVar("_Reply")
_PURGE_AT_MOST = 1_000
_DELETE_AT_MOST = 10_000
"""How many records of history a transaction deletes at most, so that it does not hold up the others for long."""


class Store:
    """Keeps schedules, their history and locks in a file for all processes of one machine.

    Implements `tasker.ports.Store` and `LeaseStore`. Its clock is the machine's wall clock, which all of them share; a
    step of that clock forward ends leases early, and one backward ends those of dead instances late, both by no more
    than the step. A process that is frozen inside a transaction stops all the others until it goes on; one that is
    killed stops nobody. On a network file system nothing is promised.

    Attributes:
        call_limit: The seconds that an operation waits for other processes.
    """

    def __init__(self, path: str | os.PathLike[str], *, namespace: str = "", call_limit: float = 3.0) -> None:
        """Note where the file is; it is opened, and made with its tables if it is not there, at the first operation.

        Args:
            path: The database file; a relative path is taken from the directory that is the current one now.
            namespace: Separates applications that share the file; an identifier, or empty.
            call_limit: The seconds that an operation waits for other processes.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; the path is empty or `:memory:`.
            TaskerError: The SQLite library is older than 3.35.
        """
        self.call_limit: float = seconds_of(call_limit, "call_limit", positive=True)
        self._namespace = checked_namespace(namespace)
        self._file = File(path)

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the rows that are missing, note changed definitions, and return all of them."""
        wanted = {definition.id: replace(definition, text=storable(definition.text)) for definition in definitions}

        def operate(database: sqlite3.Connection) -> Registered:
            table, now = self._table(database), _now()
            rows = {row.id: row for row in table.find_all(wanted)}
            changed = [row for id, row in rows.items() if _rules.register_again(row, wanted[id], now)]
            missing = [_rules.new(definition, now) for id, definition in wanted.items() if id not in rows]
            table.write(changed + missing)
            rows |= {row.id: row for row in missing}
            return Registered(now, table.epoch(), tuple(rows[id].state() for id in sorted(rows)))

        return self._write(operate)

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Give the caller up to `capacity` of the proposed slots, each with a lease."""
        # Most of the instances that ask at the same moment get nothing: they need not queue up as writers to hear that.
        refused = self._read(lambda database: self._refusal(database, capacity, proposals))
        if refused is not None:
            return refused
        return self._write(lambda database: self._claim(database, owner, ttl, capacity, proposals))

    def _refusal(self, database: sqlite3.Connection, capacity: int, proposals: Sequence[Proposal]) -> Claimed | None:
        now = _now()
        pairs = self._pairs(database, proposals)
        if capacity > 0 and any(_rules.is_claimable(row, proposal, now) for row, proposal in pairs):
            return None
        return Claimed(now, (), tuple(row.state() for row, _ in pairs))

    def _claim(
        self, database: sqlite3.Connection, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]
    ) -> Claimed:
        now = _now()
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        changed: list[Row] = []
        records: list[RunRecord] = []
        for row, proposal in self._pairs(database, proposals):
            if len(grants) < capacity and _rules.is_claimable(row, proposal, now):
                grant, dead = _rules.claim(row, proposal, owner, ttl, now)
                grants.append(grant)
                changed.append(row)
                records += [] if dead is None else [dead]
            else:
                refused.append(row.state())
        self._save(database, changed, records)
        return Claimed(now, tuple(grants), tuple(refused))

    def _pairs(self, database: sqlite3.Connection, proposals: Sequence[Proposal]) -> list[tuple[Row, Proposal]]:
        table = self._table(database)
        found = ((table.find(proposal.id), proposal) for proposal in proposals)
        return [(row, proposal) for row, proposal in found if row is not None]

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let the leases end later, where owner and token are still those of the row."""
        tokens = {lease.id: lease.token for lease in held}

        def operate(database: sqlite3.Connection) -> Renewed:
            table, now = self._table(database), _now()
            kept = [row for row in table.find_all(tokens) if _rules.renew(row, owner, tokens[row.id], ttl, now)]
            table.write(kept)
            return Renewed(now, frozenset(row.id for row in kept))

        return self._file.renewals.write(operate, min(timeout, self.call_limit))

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, free their rows, and write their history."""

        def operate(database: sqlite3.Connection) -> Finished:
            table, history, now = self._table(database), self._history(database), _now()
            answers: dict[str, Answer] = {}
            changed: list[Row] = []
            given_back: list[Row] = []
            for ending in endings:
                row = table.find(ending.id)
                if row is not None and _rules.is_holder(row, owner, ending.token):
                    history.append(_rules.finish(row, ending, now))
                    changed.append(row)
                    given_back += [row] if _rules.is_given_back(ending, Answer.RECORDED) else []
                    answers[ending.id] = Answer.RECORDED
                else:
                    answers[ending.id] = _late_answer(history, row, owner, ending)
            table.ring(given_back)
            table.write(changed)
            return Finished(now, answers)

        return self._write(operate)

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, where the row is free."""

        def operate(database: sqlite3.Connection) -> Done:
            table, now = self._table(database), _now()
            moved: list[Row] = []
            records: list[RunRecord] = []
            for skipped in skips:
                row = table.find(skipped.id)
                record = None if row is None else _rules.skip(row, skipped, now)
                if row is not None and record is not None:
                    moved.append(row)
                    records.append(record)
            self._save(database, moved, records)
            return Done(now, frozenset(row.id for row in moved))

        return self._write(operate)

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens."""
        tokens = {held.id: held.token for held in abandoned}

        def operate(database: sqlite3.Connection) -> Done:
            table = self._table(database)
            freed = [row for row in table.find_all(tokens) if _rules.is_holder(row, owner, tokens[row.id])]
            for row in freed:
                _rules.release(row)
            table.ring(freed)
            table.write(freed)
            return Done(_now(), frozenset(row.id for row in freed))

        return self._write(operate)

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules, and ring the bell."""

        def operate(database: sqlite3.Connection) -> Done:
            table, now = self._table(database), _now()
            rows = [row for row in table.find_all(ids) if row.format <= FORMAT]
            records = [record for row in rows if (record := _rules.control(row, action, now)) is not None]
            table.ring(rows)
            self._save(database, rows, records)
            return Done(now, frozenset(row.id for row in rows))

        return self._write(operate)

    def poll(self, epoch: int) -> Polled:
        """Return the bell's epoch, and the rows for which it was rung since `epoch`."""

        def operate(database: sqlite3.Connection) -> Polled:
            table = self._table(database)
            newest = table.epoch()
            rung = [] if newest == epoch else table.find_rung_since(epoch)
            return Polled(_now(), newest, _states(rung))

        return self._read(operate)

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        return self._read(lambda database: _states(self._table(database).find_all(ids)))

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest `limit` records of a schedule that this version can read, the newest first."""
        return self._read(lambda database: self._history(database).newest(id, limit))

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """Delete records of these ids: older than `before`, or beyond the newest `keep`."""

        def operate(database: sqlite3.Connection) -> int:
            history = self._history(database)
            gone = 0
            for id in ids:
                gone += history.trim(id, keep, before, _DELETE_AT_MOST - gone)
            return gone

        return self._write(operate)

    def purge(self, before: int) -> Done:
        """Delete the schedules that nobody has registered since `before`, with their history.

        Raises:
            StoreUnavailable: Also if there was time only for a part of a very long history; another call goes on.
        """
        end = time.monotonic() + self.call_limit
        gone: frozenset[str] = frozenset()
        while True:
            now, ids, is_cut = self._write(partial(self._purge, before, _PURGE_AT_MOST - len(gone)))
            gone |= ids
            if not is_cut or len(gone) >= _PURGE_AT_MOST:
                return Done(now, gone)
            if time.monotonic() >= end:
                if gone:
                    return Done(now, gone)
                raise StoreUnavailable(f"deleting the history of a schedule takes longer than {self.call_limit:g} s")

    def _purge(self, before: int, at_most: int, database: sqlite3.Connection) -> tuple[int, frozenset[str], bool]:
        """Delete rows, each after its records; return the time, what went, and whether there were too many records."""
        table, history, now = self._table(database), self._history(database), _now()
        with closing(table.find_registered_before(before)) as rows:
            old = list(islice((row.id for row in rows if _rules.is_purgeable(row, before, now)), at_most))
        left = _DELETE_AT_MOST
        gone: list[str] = []
        for id in old:
            left -= history.forget(id, left)
            if left <= 0:
                return now, frozenset(gone), True
            table.delete(id)
            gone.append(id)
        return now, frozenset(gone), False

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Say that an instance lives."""
        return self._write(lambda database: self._instances(database).beat(owner, name, version, _now()))

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget instances."""
        return self._write(lambda database: Done(_now(), self._instances(database).leave(owners)))

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that are known, ordered by owner."""
        return self._read(lambda database: self._instances(database).all())

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Ask instances to start nothing new, or to go on, and ring the bell."""

        def operate(database: sqlite3.Connection) -> Done:
            known = self._instances(database).drain(owners, draining=draining)
            if known:
                self._table(database).ring_alone()
            return Done(_now(), known)

        return self._write(operate)

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        """Take the locks among `keys` that are free or over, each with a new token."""
        return self._write(lambda database: self._locks(database).acquire(owner, ttl, keys, _now()))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Let locks end later, where owner and token are still those of the row."""
        return self._file.renewals.write(
            lambda database: self._locks(database).extend(owner, ttl, held, _now()),
            min(timeout, self.call_limit),
        )

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        """Free locks, where owner and token are still those of the row."""
        return self._write(lambda database: self._locks(database).free(owner, held, _now()))

    def close(self) -> None:
        """Close the connections to the file; an operation after that opens them again."""
        self._file.close()

    def _read(self, work: Callable[[sqlite3.Connection], _Reply]) -> _Reply:
        return self._file.work.read(work, self.call_limit)

    def _write(self, work: Callable[[sqlite3.Connection], _Reply]) -> _Reply:
        return self._file.work.write(work, self.call_limit)

    def _table(self, database: sqlite3.Connection) -> Table:
        return Table(database, self._namespace)

    def _history(self, database: sqlite3.Connection) -> History:
        return History(database, self._namespace)

    def _instances(self, database: sqlite3.Connection) -> Instances:
        return Instances(database, self._namespace)

    def _locks(self, database: sqlite3.Connection) -> Locks:
        return Locks(database, self._namespace)

    def _save(self, database: sqlite3.Connection, rows: Iterable[Row], records: Iterable[RunRecord]) -> None:
        self._table(database).write(rows)
        self._history(database).append(records)


def _states(rows: Iterable[Row]) -> tuple[ScheduleState, ...]:
    return tuple(row.state() for row in rows)


def _late_answer(history: History, row: Row | None, owner: str, ending: Ending) -> Answer:
    if row is not None and _rules.was_recorded(row, owner, ending, history.of_token(ending.id, ending.token)):
        return Answer.ALREADY
    return Answer.LOST
