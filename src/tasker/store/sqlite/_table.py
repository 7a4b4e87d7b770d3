"""The schedules and the bell of one namespace inside one transaction: SQL on one side, rows on the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Any, Literal

from tasker.ports import FORMAT, UNREADABLE, Outcome
from tasker.store._row import Row

_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "decided": (int,),
    "definition": (str,),
    "defined": (int,),
    "registered": (int,),
    "ended": (int, NoneType),
    "last_outcome": (str, NoneType),
    "last_success": (int, NoneType),
    "runs": (int,),
    "failures": (int,),
    "token": (int,),
    "owner": (str, NoneType),
    "lease_until": (int, NoneType),
    "slot": (int, NoneType),
    "manual": (int,),
    "attempt": (int,),
    "started": (int, NoneType),
    "paused": (int, NoneType),
    "requested": (int, NoneType),
    "next_slot": (int, NoneType),
    "format": (int,),
    "last_token": (int,),
    "rung": (int,),
}
"""What a readable row holds, in the order of the fields of `Row`; SQLite itself accepts anything in any column."""

_COLUMNS = tuple(_KINDS)
_FORMAT_AT = _COLUMNS.index("format")
_values_of = attrgetter(*_COLUMNS)
_OUTCOMES: dict[str | None, Outcome | None] = {None: None, **{outcome.value: outcome for outcome in Outcome}}

Name = Literal["tasker_schedule", "tasker_state"]


class Table:
    """One of the tables that hold rows of schedules; made for one transaction and thrown away with it."""

    __slots__ = ("_database", "_name", "_namespace")

    def __init__(self, database: sqlite3.Connection, namespace: str, name: Name = "tasker_schedule") -> None:
        self._database = database
        self._namespace = namespace
        self._name: Name = name

    def find(self, id: str) -> Row | None:
        """Return the row of one id."""
        found = self._database.execute(_select(self._name, "AND id = ?"), (self._namespace, id)).fetchone()
        return None if found is None else _row(found)

    def find_all(self, ids: Iterable[str] | None = None) -> list[Row]:
        """Return the rows with these ids (`None`: all), ordered by id."""
        if ids is None:
            return self._select("ORDER BY id")
        rows = (self.find(id) for id in sorted(set(ids)))
        return [row for row in rows if row is not None]

    def find_rung_since(self, epoch: int) -> list[Row]:
        """Return the rows for which the bell was rung after an epoch, ordered by id."""
        return self._select("AND rung > 0 AND rung > ? ORDER BY id", epoch)

    def find_registered_before(self, instant: int) -> Generator[Row, None, None]:
        """Yield the rows that nobody has registered since an instant, ordered by id."""
        # A row of an older program does not say when that was, but its definition came no later.
        sql = _select(self._name, "AND max(registered, defined) < ? ORDER BY id")
        yield from map(_row, self._database.execute(sql, (self._namespace, instant)))

    def _select(self, rest: str, *parameters: object) -> list[Row]:
        sql = _select(self._name, rest)
        return [_row(found) for found in self._database.execute(sql, (self._namespace, *parameters))]

    def write(self, rows: Iterable[Row]) -> None:
        """Insert or update rows that this version can read; columns of a newer version stay as they are."""
        self._database.executemany(_upsert(self._name), ((self._namespace, *_values_of(row)) for row in rows))

    def delete(self, id: str) -> None:
        """Delete the row of one id, if there is one."""
        self._database.execute(_delete(self._name), (self._namespace, id))

    def epoch(self) -> int:
        """Return how often the bell was rung."""
        sql = "SELECT epoch FROM tasker_meta WHERE namespace = ?"
        found = self._database.execute(sql, (self._namespace,)).fetchone()
        return 0 if found is None else int(found[0])

    def ring(self, rows: Sequence[Row]) -> None:
        """Ring the bell for rows that are about to be written, if there are any."""
        if not rows:
            return
        epoch = self.ring_alone()
        for row in rows:
            row.rung = epoch

    def ring_alone(self) -> int:
        """Ring the bell for no row in particular; return the new epoch."""
        epoch = self.epoch() + 1
        sql = "INSERT OR REPLACE INTO tasker_meta (namespace, epoch) VALUES (?, ?)"
        self._database.execute(sql, (self._namespace, epoch))
        return epoch


# Only names of tables and columns are put into SQL, all of them constants; every value is a parameter.
@cache
def _select(table: Name, rest: str) -> str:
    return f"SELECT {', '.join(_COLUMNS)} FROM {table} WHERE namespace = ? {rest}"  # noqa: S608


@cache
def _upsert(table: Name) -> str:
    return (
        f"INSERT INTO {table} (namespace, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608
        f" ON CONFLICT (namespace, id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
    )


@cache
def _delete(table: Name) -> str:
    return f"DELETE FROM {table} WHERE namespace = ? AND id = ?"  # noqa: S608


def _row(found: tuple[Any, ...]) -> Row:
    row = Row(*found)
    if not _are_readable(tuple(map(type, found))) or row.last_outcome not in _OUTCOMES:
        return _unreadable(found)
    row.last_outcome = _OUTCOMES[row.last_outcome]
    row.manual = bool(row.manual)
    return row


@cache
def _are_readable(kinds: tuple[type, ...]) -> bool:
    # Cached, because there are few combinations of types, and checking 23 of them costs more than reading the row.
    return all(kind in expected for kind, expected in zip(kinds, _KINDS.values(), strict=True))


def _unreadable(found: tuple[Any, ...]) -> Row:
    """Show a row that cannot be read as one of a newer format, which it may well be; nothing touches those."""
    id = found[0] if isinstance(found[0], str) else repr(found[0])
    version = found[_FORMAT_AT]
    is_newer = type(version) is int and version > FORMAT
    wrong = [name for name, value in zip(_COLUMNS, found, strict=True) if type(value) not in _KINDS[name]]
    return Row(
        id=id,
        decided=0,
        definition=f"(this row cannot be read: {', '.join(wrong) or 'last_outcome'})",
        format=version if is_newer else UNREADABLE,
    )
