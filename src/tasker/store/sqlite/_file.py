"""The database file of a store: its path, and the connections of this process to it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from tasker.errors import TaskerError
from tasker.store.sqlite._connection import Connection

_OLDEST = (3, 35, 0)


class _Connections:
    """Those of one process; renewals have one of their own, so that no other call of this process delays them."""

    __slots__ = ("renewals", "work")

    def __init__(self, path: Path) -> None:
        self.work = Connection(path)
        self.renewals = Connection(path)
        self.work.beside, self.renewals.beside = (self.renewals,), (self.work,)


class File:
    """A database file, reached by connections that are never carried over a fork."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Note the path, made absolute, so that a later change of the directory does not matter.

        Raises:
            TypeError: It is no path.
            ValueError: It is empty, or names a database that only one connection can see.
            TaskerError: The SQLite library is too old.
        """
        if sqlite3.sqlite_version_info < _OLDEST:
            raise TaskerError(f"a SQLite store needs SQLite 3.35 or later, this is {sqlite3.sqlite_version}")
        self.path = _checked(path)
        # A forked child must not touch its parent's connections, not even to close them: they stay in here, unused.
        self._by_process: dict[int, _Connections] = {}

    @property
    def work(self) -> Connection:
        """The connection for all but renewals."""
        return self._mine().work

    @property
    def renewals(self) -> Connection:
        """The connection for renewals."""
        return self._mine().renewals

    def close(self) -> None:
        """Close the connections of this process; they open again when they are needed."""
        mine = self._mine()
        mine.work.close()
        mine.renewals.close()

    def _mine(self) -> _Connections:
        process = os.getpid()
        connections = self._by_process.get(process)
        # `setdefault` is one step, so threads that come here together get the same.
        return connections or self._by_process.setdefault(process, _Connections(self.path))


def _checked(path: str | os.PathLike[str]) -> Path:
    try:
        text = os.fspath(path)
    except TypeError:
        raise TypeError(f"path: expected the path of a file, got {path!r}") from None
    if not isinstance(text, str):
        raise TypeError(f"path: expected a str or a path object, got {path!r}")
    if not text or text == ":memory:":
        raise ValueError(
            f"path: expected the path of a file that processes can share, got {text!r}; for memory use memory:"
        )
    return Path(text).absolute()
