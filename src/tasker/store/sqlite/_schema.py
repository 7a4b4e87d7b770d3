"""The tables: made by whoever comes first, and looked at before anything is written.

Columns are only ever added, so a table with more columns than these is a newer tasker's and still ours; one with fewer
belongs to somebody else. History is `tasker_run` in the order of `n`. `tasker_state` is the repository's: of the same
columns as `tasker_schedule`, but apart, because a whole state written over a row of that would undo a claim.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tasker.errors import TaskerError
from tasker.store.sqlite._transaction import WRITE, transact

_ROW = """
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    decided INTEGER NOT NULL,
    definition TEXT NOT NULL,
    defined INTEGER NOT NULL,
    ended INTEGER,
    last_outcome TEXT,
    last_success INTEGER,
    runs INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    token INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    slot INTEGER,
    manual INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    started INTEGER,
    paused INTEGER,
    requested INTEGER,
    next_slot INTEGER,
    format INTEGER NOT NULL,
    last_token INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
"""
_TABLES = {
    "tasker_meta": """
        namespace TEXT NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL
    """,
    "tasker_schedule": _ROW,
    "tasker_run": """
        n INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        until INTEGER,
        count INTEGER,
        reason TEXT,
        manual INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        started INTEGER,
        owner TEXT,
        token INTEGER NOT NULL,
        error TEXT
    """,
    "tasker_lock": """
        namespace TEXT NOT NULL,
        key TEXT NOT NULL,
        token INTEGER NOT NULL,
        owner TEXT,
        lease_until INTEGER NOT NULL,
        PRIMARY KEY (namespace, key)
    """,
    "tasker_state": _ROW,
}
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS tasker_schedule_rung ON tasker_schedule (namespace, rung) WHERE rung > 0",
    "CREATE INDEX IF NOT EXISTS tasker_run_of ON tasker_run (namespace, id)",
)
_HAS_NO_NUMBER_OF_ITS_OWN = ("tasker_meta", "tasker_schedule", "tasker_lock", "tasker_state")


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Set a new connection up, and make the tables that are missing.

    Raises:
        TaskerError: A table of ours has not our columns.
    """
    database.text_factory = _text
    database.execute("PRAGMA synchronous = FULL")
    if not _are_there(database, path):
        # Readers wait for no writer then, nor writers for readers. Where WAL is impossible, SQLite keeps another mode.
        database.execute("PRAGMA journal_mode = WAL").fetchall()
        transact(database, WRITE, _make)
        _are_there(database, path)


def _text(raw: bytes) -> str | bytes:
    """Read a text; one that is no UTF-8 stays what it is, so that it spoils its own row alone."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _are_there(database: sqlite3.Connection, path: Path) -> bool:
    found = {table: _columns_of(database, table) for table in _TABLES}
    for table, columns in found.items():
        missing = _columns(table) - columns
        if columns and missing:
            raise TaskerError(
                f"SQLite store {path}: the table {table} is not tasker's, use another file; "
                f"it has no column {', '.join(sorted(missing))}"
            )
    return all(found.values())


def _columns_of(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _columns(table: str) -> set[str]:
    lines = (line.split() for line in _TABLES[table].splitlines())
    return {words[0] for words in lines if words and words[0] != "PRIMARY"}


def _make(database: sqlite3.Connection) -> None:
    for table, columns in _TABLES.items():
        suffix = "WITHOUT ROWID" if table in _HAS_NO_NUMBER_OF_ITS_OWN else ""
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) {suffix}")
    for index in _INDEXES:
        database.execute(index)
