"""The records of one namespace inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from tasker.ports import Outcome, Reason, RunRecord
from tasker.store._texts import storable

_COLUMNS = (
    "id",
    "at",
    "slot",
    "outcome",
    "until",
    "count",
    "reason",
    "manual",
    "attempt",
    "started",
    "owner",
    "token",
    "error",
    "retries",
)
_values_of = attrgetter(*_COLUMNS)

# Only the names above are put into SQL; all values are parameters.
_INSERT = f"INSERT INTO tasker_run (namespace, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM tasker_run WHERE namespace = ? AND id = ?"  # noqa: S608
_FORGET = """
    DELETE FROM tasker_run WHERE n IN (SELECT n FROM tasker_run WHERE namespace = ? AND id = ? ORDER BY n LIMIT ?)
"""
_TRIM = """
    DELETE FROM tasker_run WHERE n IN (
        SELECT n FROM tasker_run WHERE namespace = :namespace AND id = :id AND (at < :before OR n <= (
            SELECT n FROM tasker_run WHERE namespace = :namespace AND id = :id ORDER BY n DESC LIMIT 1 OFFSET :keep
        )) ORDER BY n LIMIT :at_most
    )
"""


class History:
    """Made for one transaction and thrown away with it."""

    __slots__ = ("_database", "_namespace")

    def __init__(self, database: sqlite3.Connection, namespace: str) -> None:
        self._database = database
        self._namespace = namespace

    def append(self, records: Iterable[RunRecord]) -> None:
        """Write records."""
        self._database.executemany(_INSERT, ((self._namespace, *_values_of(_storable(record))) for record in records))

    def newest(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """Return the newest records, the newest first."""
        return self._select("ORDER BY n DESC LIMIT ?", id, max(0, limit))

    def of_token(self, id: str, token: int) -> tuple[RunRecord, ...]:
        """Return the records of what ran under one token."""
        return self._select("AND token = ?", id, token)

    def _select(self, rest: str, *parameters: object) -> tuple[RunRecord, ...]:
        found = self._database.execute(f"{_SELECT} {rest}", (self._namespace, *parameters))
        return tuple(record for values in found if (record := _record(values)) is not None)

    def trim(self, id: str, keep: int, before: int, at_most: int) -> int:
        """Delete the oldest records: those before an instant, and those beyond the newest `keep`."""
        parameters = {
            "namespace": self._namespace,
            "id": id,
            "before": before,
            "keep": max(0, keep),
            "at_most": at_most,
        }
        return self._database.execute(_TRIM, parameters).rowcount

    def forget(self, id: str, at_most: int) -> int:
        """Delete the records of one schedule, the oldest first; return how many went."""
        return self._database.execute(_FORGET, (self._namespace, id, at_most)).rowcount


def _storable(record: RunRecord) -> RunRecord:
    return record if record.error is None else replace(record, error=storable(record.error))


def _record(values: tuple[Any, ...]) -> RunRecord | None:
    """Return a record, or `None` for one that this version cannot read: no decision needs it."""
    record = dict(zip(_COLUMNS, values, strict=True))
    try:
        record["outcome"] = Outcome(record["outcome"])
        record["reason"] = None if record["reason"] is None else Reason(record["reason"])
    except ValueError:
        return None
    record["manual"] = bool(record["manual"])
    return RunRecord(**record)
