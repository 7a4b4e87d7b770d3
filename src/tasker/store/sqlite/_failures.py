"""What SQLite's errors mean to tasker."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tasker.errors import StoreUnavailable, TaskerError

_MAY_PASS = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_INTERRUPT,
    )
)
_BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection is in the way just now."""
    return _code(error) in _BUSY


def translated(error: sqlite3.Error, path: Path) -> TaskerError:
    """Return tasker's word for an error of SQLite's: whether it may pass, or never will."""
    kind = StoreUnavailable if _code(error) in _MAY_PASS else TaskerError
    return kind(f"SQLite store {path}: {error}")


def _code(error: sqlite3.Error) -> int | None:
    # The lowest byte is the kind; the others say more about it. Errors of the module itself have no code.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
