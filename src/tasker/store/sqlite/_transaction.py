"""One transaction: all of it, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")
Work = Callable[[sqlite3.Connection], _Result]
"""What is done inside one transaction; it may be done again if the transaction did not come about."""

READ = "BEGIN"
WRITE = "BEGIN IMMEDIATE"
"""A transaction that reads first and writes later fails at once, whatever the busy timeout, when another one has
written in between; so whoever may write says so at the beginning."""


def transact(database: sqlite3.Connection, begin: str, work: Work[_Result]) -> _Result:
    """Do `work` and commit it; roll it back if anything fails."""
    database.execute(begin)
    try:
        result = work(database)
        database.execute("COMMIT")
    except BaseException:
        # A full disk, for one, has rolled it back already.
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
        raise
    return result
