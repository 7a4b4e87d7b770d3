"""The plain locks of one namespace inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tasker.ports import Acquired, Done, Held, LeaseGrant, Renewed
from tasker.store._lock_row import LockRow, is_free, is_lock_holder, take

_SELECT = "SELECT token, owner, lease_until FROM tasker_lock WHERE namespace = ? AND key = ?"
_UPSERT = """
    INSERT INTO tasker_lock (namespace, key, token, owner, lease_until) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key) DO UPDATE
    SET token = excluded.token, owner = excluded.owner, lease_until = excluded.lease_until
"""

_NEVER = 2**63 - 1
"""The end of a lock whose row cannot be read: it is nobody's, and nobody takes it."""


class Locks:
    """The operations of a `LeaseStore`; made for one transaction and thrown away with it."""

    __slots__ = ("_database", "_namespace")

    def __init__(self, database: sqlite3.Connection, namespace: str) -> None:
        self._database = database
        self._namespace = namespace

    def acquire(self, owner: str, ttl: int, keys: Sequence[str], now: int) -> Acquired:
        """Take the locks that are free or over."""
        rows = {key: self._find(key) for key in keys}
        taken = {key: row for key, row in rows.items() if is_free(row, now)}
        for row in taken.values():
            take(row, owner, ttl, now)
        self._write(taken)
        return Acquired(now, tuple(LeaseGrant(key, row.token, row.lease_until) for key, row in taken.items()))

    def extend(self, owner: str, ttl: int, held: Sequence[Held], now: int) -> Renewed:
        """Let the caller's locks end later."""
        mine = self._find_held(owner, held)
        for row in mine.values():
            row.lease_until = now + ttl
        self._write(mine)
        return Renewed(now, frozenset(mine))

    def free(self, owner: str, held: Sequence[Held], now: int) -> Done:
        """Free the caller's locks; their last tokens stay."""
        mine = self._find_held(owner, held)
        for row in mine.values():
            row.owner = None
        self._write(mine)
        return Done(now, frozenset(mine))

    def _find(self, key: str) -> LockRow:
        found = self._database.execute(_SELECT, (self._namespace, key)).fetchone()
        if found is None:
            return LockRow()
        token, owner, lease_until = found
        if type(token) is int and type(lease_until) is int and (owner is None or type(owner) is str):
            return LockRow(token, owner, lease_until)
        return LockRow(0, "(this row cannot be read)", _NEVER)

    def _find_held(self, owner: str, held: Sequence[Held]) -> dict[str, LockRow]:
        rows = {lease.id: (self._find(lease.id), lease.token) for lease in held}
        return {key: row for key, (row, token) in rows.items() if is_lock_holder(row, owner, token)}

    def _write(self, rows: dict[str, LockRow]) -> None:
        parameters = ((self._namespace, key, row.token, row.owner, row.lease_until) for key, row in rows.items())
        self._database.executemany(_UPSERT, parameters)
