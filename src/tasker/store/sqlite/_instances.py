"""The instances of one namespace inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from tasker.ports import Beaten, Instance
from tasker.store._texts import storable

_BEAT = """
    INSERT INTO tasker_instance (namespace, owner, name, version, started, seen, draining) VALUES (?, ?, ?, ?, ?, ?, 0)
    ON CONFLICT (namespace, owner) DO UPDATE
    SET name = excluded.name, version = excluded.version, seen = excluded.seen
"""
_IS_DRAINING = "SELECT draining FROM tasker_instance WHERE namespace = ? AND owner = ?"
_LEAVE = "DELETE FROM tasker_instance WHERE namespace = ? AND owner = ?"
_DRAIN = "UPDATE tasker_instance SET draining = ? WHERE namespace = ? AND owner = ?"
_ALL = "SELECT owner, name, version, started, seen, draining FROM tasker_instance WHERE namespace = ? ORDER BY owner"
_KINDS = (str, str, str, int, int, int)


class Instances:
    """Made for one transaction and thrown away with it."""

    __slots__ = ("_database", "_namespace")

    def __init__(self, database: sqlite3.Connection, namespace: str) -> None:
        self._database = database
        self._namespace = namespace

    def beat(self, owner: str, name: str, version: str, now: int) -> Beaten:
        """Note that an instance lives."""
        values = (self._namespace, owner, storable(name), storable(version), now, now)
        self._database.execute(_BEAT, values)
        (draining,) = self._database.execute(_IS_DRAINING, (self._namespace, owner)).fetchone()
        return Beaten(now, bool(draining))

    def leave(self, owners: Iterable[str]) -> frozenset[str]:
        """Forget instances; return those that were known."""
        return frozenset(owner for owner in set(owners) if self._change(_LEAVE, self._namespace, owner))

    def drain(self, owners: Iterable[str], *, draining: bool) -> frozenset[str]:
        """Note whether instances are to start nothing new; return those that are known."""
        return frozenset(owner for owner in set(owners) if self._change(_DRAIN, draining, self._namespace, owner))

    def all(self) -> tuple[Instance, ...]:
        """Return the instances, ordered by owner, without those whose row cannot be read: no decision needs them."""
        found = self._database.execute(_ALL, (self._namespace,))
        return tuple(_instance(values) for values in found if tuple(map(type, values)) == _KINDS)

    def _change(self, sql: str, *values: object) -> bool:
        return self._database.execute(sql, values).rowcount > 0


def _instance(values: tuple[Any, ...]) -> Instance:
    owner, name, version, started, seen, draining = values
    return Instance(owner=owner, name=name, version=version, started=started, seen=seen, is_draining=bool(draining))
