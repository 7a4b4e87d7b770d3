"""The locker factory: lockers on the plain locks of a file."""

from __future__ import annotations

import os

from tasker._core.durations import Duration
from tasker.lease import lockers
from tasker.store.sqlite._store import Store


class LockerFactory(lockers.LockerFactory):
    """Gives lockers for locks that all processes of one machine share; implements `tasker.ports.LockerFactory`."""

    def __init__(self, path: str | os.PathLike[str], *, namespace: str = "", ttl: Duration = 15) -> None:
        """Make a factory; the file is opened when the first lock is wanted.

        Args:
            path: The database file; see `Store`.
            namespace: Separates applications that share the file; an identifier, or empty.
            ttl: How long a lock outlives a holder that has died, at most a day; see `tasker.lease.lockers`.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; the path is empty or `:memory:`.
            TaskerError: The SQLite library is older than 3.35.
        """
        self._file_store = Store(path, namespace=namespace)
        super().__init__(self._file_store, ttl=ttl)

    def close(self) -> None:
        """Close the connections to the file; a lock that is still held keeps one open."""
        self._file_store.close()
