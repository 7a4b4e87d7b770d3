"""The locker factory: lockers on the plain locks of a Redis server."""

from __future__ import annotations

from tasker._core.durations import Duration
from tasker.lease import lockers
from tasker.store.redis._store import Store
from tasker.store.redis._target import Client


class LockerFactory(lockers.LockerFactory):
    """Gives lockers for locks that all processes on one server share; implements `tasker.ports.LockerFactory`."""

    def __init__(
        self, url_or_client: str | Client, *, ttl: Duration = 15, namespace: str = "", call_limit: float = 3.0
    ) -> None:
        """Make a factory; it connects when the first lock is wanted.

        Args:
            url_or_client: Where the server is; see `Store`.
            ttl: How long a lock outlives a holder that has died, at most a day; see `tasker.lease.lockers`.
            namespace: Keeps applications apart that share a database.
            call_limit: The seconds after which a call to the server is given up.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense.
        """
        self._redis_store = Store(url_or_client, namespace=namespace, call_limit=call_limit)
        super().__init__(self._redis_store, ttl=ttl)

    def close(self) -> None:
        """Close the connections that were opened here; a lock that is still held opens one again to be renewed."""
        self._redis_store.close()
