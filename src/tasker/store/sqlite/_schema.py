"""The tables: made by whoever comes first, and looked at before anything is written.

Columns and tables are only ever added, each column with a default, so programs of different versions share a file: an
older one does not miss what it does not know, and a newer one adds what it finds missing, as the only writer. A table
that lacks a column of the first version belongs to somebody else.

History is `tasker_run` in the order of `n`. `tasker_state` is the repository's: of the same columns as
`tasker_schedule`, but apart, because a whole state written over a row of that would undo a claim.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tasker.errors import TaskerError
from tasker.store.sqlite._time import now
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
    "tasker_instance": """
        namespace TEXT NOT NULL,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        started INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        draining INTEGER NOT NULL,
        PRIMARY KEY (namespace, owner)
    """,
}
"""Each table as its first version made it; what came later is below."""

_ADDED = (
    ("tasker_schedule", "registered", "INTEGER NOT NULL DEFAULT 0"),
    ("tasker_state", "registered", "INTEGER NOT NULL DEFAULT 0"),
    ("tasker_run", "retries", "INTEGER NOT NULL DEFAULT 0"),
)
"""Columns that later versions added, in the order in which they did."""

_INDEXES = (
    "CREATE INDEX IF NOT EXISTS tasker_schedule_rung ON tasker_schedule (namespace, rung) WHERE rung > 0",
    "CREATE INDEX IF NOT EXISTS tasker_run_of ON tasker_run (namespace, id)",
)
_HAS_A_NUMBER_OF_ITS_OWN = ("tasker_run",)


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Set a new connection up, and make the tables and columns that are missing.

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
        missing = _first_columns(table) - columns
        if columns and missing:
            raise TaskerError(
                f"SQLite store {path}: the table {table} is not tasker's, use another file; "
                f"it has no column {', '.join(sorted(missing))}"
            )
    return all(found.values()) and all(column in found[table] for table, column, _ in _ADDED)


def _columns_of(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _first_columns(table: str) -> set[str]:
    lines = (line.split() for line in _TABLES[table].splitlines())
    return {words[0] for words in lines if words and words[0] != "PRIMARY"}


def _make(database: sqlite3.Connection) -> None:
    for table, columns in _TABLES.items():
        suffix = "" if table in _HAS_A_NUMBER_OF_ITS_OWN else "WITHOUT ROWID"
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) {suffix}")
    for index in _INDEXES:
        database.execute(index)
    for table, column, kind in _ADDED:
        if column not in _columns_of(database, table):
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            if (table, column) == ("tasker_schedule", "registered"):
                # Nobody can know better, and `purge` must not take rows from before for forgotten.
                database.execute("UPDATE tasker_schedule SET registered = ?", (now(),))
