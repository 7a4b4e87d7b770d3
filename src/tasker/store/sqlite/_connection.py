"""One connection to the file: transactions that are retried while others are in the way, for a limited time.

Waiting is done here and not by SQLite's busy timeout, which sleeps for up to 100 ms at a time and lets a busy neighbor
win again and again.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.sqlite._failures import is_busy, translated
from tasker.store.sqlite._schema import prepare
from tasker.store.sqlite._transaction import READ, WRITE, Work, transact

_Result = TypeVar("_Result")
_LONGEST_PAUSE = 0.005


class Connection:
    """A connection that any thread may use, one at a time; it connects when it is needed, and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self.beside: tuple[Connection, ...] = ()
        """Other connections of this process to the same file, which are given up together with this one."""

    def read(self, work: Work[_Result], seconds: float) -> _Result:
        """Do `work` on one consistent snapshot, which waits for no writer."""
        return self._transact(READ, work, seconds)

    def write(self, work: Work[_Result], seconds: float) -> _Result:
        """Do `work` as the only writer, and commit it.

        Raises:
            StoreUnavailable: Others were in the way for `seconds`, or the file does not work just now.
            TaskerError: The file cannot be used at all.
        """
        return self._transact(WRITE, work, seconds)

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        with self._mutex:
            self._drop()

    def close_if_idle(self) -> None:
        """Close the connection, unless a transaction is under way."""
        if self._mutex.acquire(blocking=False):
            self._drop()
            self._mutex.release()

    def _transact(self, begin: str, work: Work[_Result], seconds: float) -> _Result:
        end = time.monotonic() + seconds
        if not self._mutex.acquire(timeout=max(0, seconds)):
            raise StoreUnavailable(f"SQLite store {self._path}: no answer to earlier calls within {seconds:g} s")
        try:
            return self._transact_until(end, begin, work)
        except sqlite3.Error as error:
            if not is_busy(error):
                # A read-only or broken file must be looked at afresh the next time.
                self._drop_both()
            raise translated(error, self._path) from error
        except UnicodeEncodeError as error:
            raise TaskerError(f"SQLite store {self._path}: {error}") from error
        finally:
            self._mutex.release()

    def _transact_until(self, end: float, begin: str, work: Work[_Result]) -> _Result:
        while True:
            try:
                return transact(self._connected(), begin, work)
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() >= end:
                    raise
            # In real time, even under a virtual clock: the lock is held by a real process.
            time.sleep(random.uniform(0, _LONGEST_PAUSE))

    def _connected(self) -> sqlite3.Connection:
        if self._database is not None:
            self._check_that_the_file_is_still_there()
            return self._database
        database = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            prepare(database, self._path)
            self._inode = _inode_of(self._path)
        except BaseException:
            database.close()
            raise
        self._database = database
        return database

    def _check_that_the_file_is_still_there(self) -> None:
        # The system keeps a removed or renamed file alive for whoever has it open: its locks would exclude nobody.
        if _inode_of(self._path) != self._inode:
            self._drop_both()
            raise StoreUnavailable(f"SQLite store {self._path}: the file was removed or replaced while it was open")

    def _drop_both(self) -> None:
        self._drop()
        # While anyone has a removed file open, SQLite refuses to work with the one that takes its place; so an idle
        # connection must not keep it. One that is at work looks for itself at its next transaction.
        for other in self.beside:
            other.close_if_idle()

    def _drop(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()


def _inode_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
