"""The locker factory: lockers on the plain locks of a database."""

from __future__ import annotations

from tasker._core.durations import Duration
from tasker.lease import lockers
from tasker.store.postgresql._connections import Pool
from tasker.store.postgresql._store import Store


class LockerFactory(lockers.LockerFactory):
    """Gives lockers for locks that all processes on one database share; implements `tasker.ports.LockerFactory`.

    Its locks are rows with an end, not locks of a session: a lost connection loses no lock, and no lock outlives its
    holder for longer than its lease.
    """

    def __init__(
        self,
        url_or_pool: str | Pool,
        *,
        ttl: Duration = 15,
        namespace: str = "",
        schema: str | None = None,
        call_limit: float = 3.0,
        migrate: bool = True,
    ) -> None:
        """Make a factory; it connects when the first lock is wanted.

        Args:
            url_or_pool: Where the database is; see `Store`. Renewals use a connection of their own even with a pool.
            ttl: How long a lock outlives a holder that has died, at most a day; see `tasker.lease.lockers`.
            namespace: Keeps applications apart that share a database.
            schema: The database schema of the tables.
            call_limit: The seconds after which a call to the server is given up.
            migrate: Whether missing tables are made.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense.
        """
        self._database_store = Store(
            url_or_pool, namespace=namespace, schema=schema, call_limit=call_limit, migrate=migrate
        )
        super().__init__(self._database_store, ttl=ttl)

    def close(self) -> None:
        """Close the connections that were opened here; a lock that is still held opens one again to be renewed."""
        self._database_store.close()
