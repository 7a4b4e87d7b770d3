"""Places for a store, of each kind: what a fault is tried on. The servers are the test's to break, and to repair.

One server of each kind serves the whole session. A test that breaks it does so in one of the blocks below, which
leave it as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasker.store import AnyStore
from tests._support.mariadb_server import MariadbServer
from tests._support.opening import store_at
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests._support.server_process import ServerProcess

SERVERS = ("postgresql", "mariadb", "redis")
KINDS = (*SERVERS, "sqlite")


@dataclass(frozen=True)
class Place:
    """An empty place for a store.

    Attributes:
        kind: What it is.
        url: How it is reached.
        database: The name of the database, or the path of the file.
        served_by: The server; `None` for a file.
    """

    kind: str
    url: str
    database: str
    served_by: ServerProcess | None = None

    @property
    def server(self) -> ServerProcess:
        """The server that there is."""
        assert self.served_by is not None, "a file has no server"
        return self.served_by

    def url_by(self, port: int) -> str:
        """Return how it is reached by another port."""
        return self.url.replace(f":{self.server.port}/", f":{port}/")

    @contextmanager
    def opened(self, call_limit: float = 10) -> Iterator[AnyStore]:
        """Open it as a store."""
        with closing(store_at(self.url, call_limit)) as store:
            yield store

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let the server be dead in the block."""
        self.server.kill()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the server's time stand still in the block."""
        self.server.freeze()
        try:
            yield
        finally:
            self.server.thaw()


AnyServer = PostgresServer | MariadbServer | RedisServer


@contextmanager
def new_place(kind: str, folder: Path, server: AnyServer | None) -> Iterator[Place]:
    """Make an empty place on a server, and remove it in the end; without a server it is a file in the folder."""
    if isinstance(server, RedisServer):
        server.execute("FLUSHALL")
        server.settle()
        yield Place(kind, server.url(), "0", server)
    elif isinstance(server, PostgresServer):
        with server.database() as name:
            server.execute(f"ALTER DATABASE {name} OWNER TO app")
            yield Place(kind, server.url(name, user="app"), name, server)
    elif server is not None:
        with server.database() as name:
            yield Place(kind, server.url(name), name, server)
    else:
        yield Place(kind, f"sqlite:///{folder}/tasker.db", f"{folder}/tasker.db")


@cache
def server_of_session(kind: str) -> AnyServer | None:
    """Return the server of a kind that serves the whole session; `None` for a file."""
    return started(kind)


def started(kind: str) -> AnyServer | None:
    """Start a server of a kind; `None` for a file."""
    if kind == "postgresql":
        server = PostgresServer(settings={"max_connections": 200, "wal_level": "replica", "max_wal_senders": 4})
        server.execute("CREATE ROLE app LOGIN")  # no administrator, as an application should be
        return server
    if kind == "mariadb":
        return MariadbServer()
    return RedisServer(settings={"repl-diskless-sync-delay": 0}) if kind == "redis" else None
