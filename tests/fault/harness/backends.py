"""The stores that are put under faults: each with a server of its own, and what can be done to that."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

import redis

from tests._support.mariadb_server import MariadbServer
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests._support.server_process import ServerProcess

Injury = Callable[[], Callable[[], object]]
"""Does harm, and returns what undoes it."""


class Backend(ABC):
    """A store for a cluster; a context manager that ends its server.

    Attributes:
        port: Where the server listens; `None` if there is none to put a proxy before.
        injuries: What can be done to it, by name.
    """

    port: int | None = None

    def __init__(self) -> None:
        self.injuries: Mapping[str, Injury] = {}
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    @abstractmethod
    def url(self, port: int | None) -> str:
        """Return the URL of the store, over this port of a proxy if there is one."""

    @abstractmethod
    def connections(self) -> int:
        """Count the connections to the server, but for the one that asks."""


class _Served(Backend):
    """A store on a server."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__()
        self.server = self.stack.enter_context(server)
        self.port = server.port

    def _gone(self, end: Callable[[], object]) -> Injury:
        def harm() -> Callable[[], object]:
            end()
            return self.server.start

        return harm

    def _frozen(self) -> Callable[[], object]:
        self.server.freeze()
        return self.server.thaw


class Postgres(_Served):
    server: PostgresServer

    def __init__(self) -> None:
        # Some WAL senders, so that a commit can be made to wait for a replica that never comes. And a server that is to
        # stop waits for each connection that has just come and says nothing, as over a silent way.
        settings = {"max_connections": 200, "wal_level": "replica", "max_wal_senders": 2, "authentication_timeout": 2}
        super().__init__(PostgresServer(settings=settings))
        self.injuries = {
            "server stopped": self._gone(self.server.stop),
            "server crashed": self._gone(self.server.crash),
            "server killed": self._gone(self.server.kill),
            "server frozen": self._frozen,
            "sessions ended": self._terminate,
            "server read-only": lambda: self._setting("default_transaction_read_only", "on"),
            "commits hang": lambda: self._setting("synchronous_standby_names", "nobody"),
            "table locked": self._lock,
        }

    def url(self, port: int | None) -> str:
        return f"postgresql://tasker@{self.server.host}:{port or self.port}/postgres"

    def connections(self) -> int:
        with closing(self._administrator()) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def _administrator(self) -> Any:
        options = "-c default_transaction_read_only=off -c synchronous_commit=local"
        return self.server.connect(options=options)

    def _terminate(self) -> Callable[[], object]:
        with closing(self._administrator()) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        return _nothing

    def _setting(self, name: str, value: str) -> Callable[[], object]:
        self._alter(f"SET {name} = {value}")
        return lambda: self._alter(f"RESET {name}")

    def _alter(self, change: str) -> None:
        with closing(self._administrator()) as connection:
            connection.execute(f"ALTER SYSTEM {change}")
            connection.execute("SELECT pg_reload_conf()")

    def _lock(self) -> Callable[[], object]:
        locker = self._administrator()
        locker.execute("BEGIN")
        locker.execute("LOCK TABLE tasker_schedule")
        return locker.close  # type: ignore[no-any-return]


class Mariadb(_Served):
    server: MariadbServer

    def __init__(self) -> None:
        super().__init__(MariadbServer())
        self.server.execute("CREATE DATABASE t")
        self.injuries = {
            "server stopped": self._gone(self.server.stop),
            "server killed": self._gone(self.server.kill),
            "server frozen": self._frozen,
            "sessions ended": self._terminate,
            "server read-only": self._read_only,
            "commits hang": self._flush_lock,
        }

    def url(self, port: int | None) -> str:
        return f"mysql://tasker@{self.server.host}:{port or self.port}/t"

    def connections(self) -> int:
        rows = self.server.execute("SELECT count(*) FROM information_schema.processlist WHERE user = 'tasker'")
        return int(rows[0][0])

    def _terminate(self) -> Callable[[], object]:
        self.server.end_sessions()
        return _nothing

    def _read_only(self) -> Callable[[], object]:
        self.server.execute("SET GLOBAL read_only = 1")
        return lambda: self.server.execute("SET GLOBAL read_only = 0")

    def _flush_lock(self) -> Callable[[], object]:
        locker = self.server.connect()
        with locker.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
        return locker.close  # type: ignore[no-any-return]


class Redis(_Served):
    server: RedisServer

    def __init__(self) -> None:
        # What it has acknowledged survives: what becomes of the rest is another test's business.
        super().__init__(RedisServer(settings={"appendonly": "yes", "appendfsync": "always"}))
        self.server.settle()
        self.injuries = {
            "server stopped": self._gone(self.server.stop),
            "server killed": self._gone(self.server.kill),
            "server frozen": self._frozen,
            "sessions ended": self._terminate,
            "server read-only": self._replica,
            "commits hang": self._pause,
            "server full": self._full,
        }

    def url(self, port: int | None) -> str:
        return f"redis://{self.server.host}:{port or self.port}/0"

    def connections(self) -> int:
        return len(self.server.execute("CLIENT", "LIST", "TYPE", "normal").splitlines()) - 1

    def _terminate(self) -> Callable[[], object]:
        try:
            self.server.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        except redis.ConnectionError:
            pass
        return _nothing

    def _replica(self) -> Callable[[], object]:
        self.server.execute("REPLICAOF", "127.0.0.1", "1")
        return lambda: self.server.execute("REPLICAOF", "NO", "ONE")

    def _pause(self) -> Callable[[], object]:
        self.server.execute("CLIENT", "PAUSE", "60000", "WRITE")
        return lambda: self.server.execute("CLIENT", "UNPAUSE")

    def _full(self) -> Callable[[], object]:
        self.server.execute("CONFIG", "SET", "maxmemory", "1mb")
        return lambda: self.server.execute("CONFIG", "SET", "maxmemory", "0")


class Sqlite(Backend):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / "tasker.db"
        self.injuries = {"file locked": self._lock}

    def url(self, port: int | None) -> str:
        return f"sqlite:///{self._path}"

    def connections(self) -> int:
        return sum(_has_open(process, self._path) for process in Path("/proc").glob("[0-9]*"))

    def _lock(self) -> Callable[[], object]:
        """Hold the file as a process does that is frozen inside a transaction, unless one does so already."""
        locker = sqlite3.connect(self._path, timeout=3, isolation_level=None, check_same_thread=False)
        try:
            locker.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        return locker.close


def _has_open(process: Path, path: Path) -> bool:
    try:
        return any(each.resolve() == path for each in (process / "fd").iterdir())
    except OSError:
        return False


def _nothing() -> None:
    """What was done cannot be undone, and need not be."""


BACKENDS = ("postgresql", "mysql", "redis", "sqlite")


def open_backend(name: str, folder: Path) -> Backend:
    """Start what a cluster on this kind of store needs."""
    match name:
        case "postgresql":
            return Postgres()
        case "mysql":
            return Mariadb()
        case "redis":
            return Redis()
        case _:
            return Sqlite(folder)
