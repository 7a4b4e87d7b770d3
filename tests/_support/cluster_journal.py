"""What the jobs of a cluster write down about themselves, where the scheduler's store cannot help them."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests._support.processes import LIMIT

if TYPE_CHECKING:
    import psycopg

    from tasker import Run

# A start that two instances make as the same attempt is refused by the database itself.
_TABLE = """CREATE TABLE IF NOT EXISTS work (
  id text NOT NULL, slot bigint NOT NULL, attempt bigint NOT NULL, token bigint NOT NULL,
  owner text NOT NULL, pid bigint NOT NULL, started bigint NOT NULL, ended bigint,
  PRIMARY KEY (id, slot, attempt), UNIQUE (id, token))"""
_POLL = 0.02
_JUST = 300_000
_ALL = "SELECT id, slot, attempt, token, owner, pid, started, ended FROM work ORDER BY started, token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one run did; instants are microseconds since 1970, by the clock that the store goes by too.

    Attributes:
        id: The schedule.
        slot: The slot that it ran for.
        attempt: Which start of that slot it was.
        token: Its fencing token.
        owner: The scheduler that ran it.
        pid: The process of that scheduler.
        started: When its work began.
        ended: When its work was done; `None` if it was not.
    """

    id: str
    slot: int
    attempt: int
    token: int
    owner: str
    pid: int
    started: int
    ended: int | None = None


class Journal(Protocol):
    """A table of works; any thread may use it."""

    def begin(self, run: Run) -> None:
        """Note that the work of a run begins."""
        ...

    def end(self, run: Run) -> None:
        """Note that the work of a run is done."""
        ...

    def works(self) -> list[Work]:
        """Return all works, in the order in which they were started."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def open_journal(where: str) -> Journal:
    """Return the journal in a PostgreSQL database, given by its URL, or in a file."""
    return PostgresJournal(where) if where.startswith("postgresql://") else SqliteJournal(Path(where))


def works_in(where: str) -> list[Work]:
    """Return the works that are in a journal now."""
    with closing(open_journal(where)) as journal:
        return journal.works()


def someone_at_work(where: str) -> Work:
    """Wait until an instance has just begun some slow work, and return that."""
    end = time.monotonic() + LIMIT
    while True:
        works = works_in(where)
        slow = [work for work in works if work.ended is None and work.id.startswith("slow")]
        if slow and works[-1].started - slow[-1].started < _JUST:
            return slow[-1]
        assert time.monotonic() < end, "in vain waited for an instance to be at work"
        time.sleep(_POLL)


def make_journal(where: str) -> str:
    """Make the table of a journal, before instances that use it start, and return where it is."""
    if where.startswith("postgresql://"):
        import psycopg

        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(_TABLE.encode())
    else:
        with closing(sqlite3.connect(where)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(_TABLE)
    return where


def _values(run: Run) -> tuple[object, ...]:
    slot = (run.slot - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return run.schedule_id, slot, run.attempt, run.fencing_token, run.owner, os.getpid()


class PostgresJournal:
    """A journal in a database, over one connection of its own."""

    def __init__(self, url: str) -> None:
        import psycopg  # not above: programs without PostgreSQL start sooner

        self._connection: psycopg.Connection[Any] = psycopg.connect(
            url, autocommit=True, application_name=f"journal {os.getpid()}"
        )

    def begin(self, run: Run) -> None:
        self._connection.execute(f"INSERT INTO work VALUES (%s, %s, %s, %s, %s, %s, {_NOW})".encode(), _values(run))

    def end(self, run: Run) -> None:
        where = "WHERE id = %s AND token = %s"
        self._connection.execute(
            f"UPDATE work SET ended = {_NOW} {where}".encode(), (run.schedule_id, run.fencing_token)
        )

    def works(self) -> list[Work]:
        return _works(self._connection.execute(_ALL.encode()).fetchall())

    def close(self) -> None:
        self._connection.close()


_NOW = "floor(extract(epoch FROM clock_timestamp()) * 1000000)"


class SqliteJournal:
    """A journal in a file."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)

    def begin(self, run: Run) -> None:
        self._execute("INSERT INTO work VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", *_values(run), _now())

    def end(self, run: Run) -> None:
        self._execute(
            "UPDATE work SET ended = ? WHERE id = ? AND token = ?", _now(), run.schedule_id, run.fencing_token
        )

    def works(self) -> list[Work]:
        return _works(self._execute(_ALL))

    def close(self) -> None:
        self._database.close()

    def _execute(self, statement: str, *values: object) -> list[Sequence[Any]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _now() -> int:
    return time.time_ns() // 1000


def _works(rows: Sequence[Sequence[Any]]) -> list[Work]:
    names = ("id", "slot", "attempt", "token", "owner", "pid", "started", "ended")
    return [Work(**dict(zip(names, row, strict=True))) for row in rows]
