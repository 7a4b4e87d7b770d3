"""Throwaway MariaDB servers: one for the session, and private ones for tests that break theirs.

With `TASKER_MYSQL_BIN`, the folder of a `mysqld` of MySQL, they are MySQL servers.

See `tests._support.server_process` for how a server lives and ends.

Use it by importing the fixtures: `from tests._support.mariadb_server import mariadb_server, mariadb_url`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pymysql
import pytest

from tests._support.server_process import POLL, STOP_LIMIT, ServerProcess, give, identity_of, unprivileged_account
from tests._support.services import require_or_skip

_ACCOUNTS = ("mysql", "nobody")
_LOG_SIZE = "8M"

# Speed before durability: a test's server survives no crash of the machine, but any crash of its own.
_FAST = {"innodb-flush-log-at-trx-commit": 2, "innodb-doublewrite": 0, "innodb-buffer-pool-size": "32M"}
_DURABLE = {"innodb-flush-log-at-trx-commit": 1, "innodb-buffer-pool-size": "256M"}

Row = tuple[Any, ...]


class Binaries(NamedTuple):
    """What serves a data folder, and what makes one: with MySQL it is the same program."""

    server: Path
    install: Path

    @property
    def is_mysql(self) -> bool:
        """Whether these are MySQL's own."""
        return self.install == self.server


def find_mariadb() -> Binaries | None:
    """Return the programs, or `None` if this machine has none.

    The folder in `TASKER_MARIADB_BIN` comes first, then the path, then where Debian has them.
    """
    if folder := os.environ.get("TASKER_MYSQL_BIN"):
        return Binaries(Path(folder, "mysqld"), Path(folder, "mysqld"))
    path = os.pathsep.join(
        (os.environ.get("TASKER_MARIADB_BIN", ""), os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin")
    )
    install, server = shutil.which("mariadb-install-db", path=path), shutil.which("mariadbd", path=path)
    return Binaries(Path(server), Path(install)) if install and server else None


class MariadbServer(ServerProcess):
    """A MariaDB server of the test's own; a context manager that stops it and deletes its data.

    The user `tasker` may do everything in databases whose name begins with `t`, and has no privileges beyond; `root`
    has no password. After `kill`, `start` recovers it.
    """

    accounts = _ACCOUNTS
    says_taken = "Can't start server: Bind on TCP/IP port"

    def __init__(self, *, durable: bool = False, settings: Mapping[str, object] | None = None) -> None:
        """Make the data folder and start the server.

        Args:
            durable: Whether it writes through to the disk, as a real one does.
            settings: More settings for its command line.
        """
        binaries = find_mariadb()
        require_or_skip(binaries, "no MariaDB server: install mariadb-server")
        assert binaries is not None
        self._binaries = binaries
        self._settings = {**(_DURABLE if durable else _FAST), **(settings or {})}
        self._names = itertools.count(1)
        super().__init__("tasker-maria-")
        self.execute("CREATE USER tasker", "GRANT ALL ON `t%`.* TO tasker")

    @property
    def is_mysql(self) -> bool:
        """Whether it is one of MySQL's own."""
        return self._binaries.is_mysql

    def url(self, database: str = "", *, user: str = "tasker", password: str = "") -> str:
        """Return the URL of a database, over TCP."""
        secret = f":{password}" if password else ""
        return f"mysql://{user}{secret}@{self.host}:{self.port}/{database}"

    def socket_url(self, database: str, *, user: str = "tasker") -> str:
        """Return the URL of a database, over the Unix socket."""
        return f"mysql://{user}@/{database}?unix_socket={self.folder}/socket"

    def connect(self, database: str | None = None, *, user: str = "root", **options: Any) -> Any:
        """Return a connection with autocommit, of the administrator unless another user is named."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=user,
            database=database,
            **{"autocommit": True, "connect_timeout": 10, **options},
        )

    def execute(self, *statements: str, database: str | None = None) -> list[Row]:
        """Run statements as the administrator and return the rows of the last."""
        with closing(self.connect(database)) as connection:
            return run(connection, *statements)

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its name, and drop it."""
        name = f"t{os.getpid()}_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name}")

    def kill_sessions(self, user: str = "tasker") -> None:
        """End all sessions of a user, and wait until they are gone."""
        self.end_sessions(user)
        end = time.monotonic() + STOP_LIMIT
        while self._sessions(user):
            assert time.monotonic() < end, "sessions outlived their end"
            time.sleep(POLL)

    def end_sessions(self, user: str = "tasker") -> None:
        """Tell all sessions of a user to end; they may take a moment for that."""
        for (session,) in self._sessions(user):
            with suppress(pymysql.OperationalError):  # it may have ended meanwhile
                self.execute(f"KILL {session}")

    def _sessions(self, user: str) -> list[Row]:
        return self.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'")

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the time of the server: it accepts connections and never answers."""
        super().freeze()
        tasks = Path(f"/proc/{self.pid}/task")
        # One of its threads may be at work on another core for a moment yet.
        while tasks.exists() and not all(_is_stopped(task) for task in tasks.iterdir()):
            time.sleep(POLL)

    def _prepare(self) -> None:
        subprocess.run(["cp", "-a", _new_data(self._binaries), self.folder / "data"], check=True)

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "datadir": self.folder / "data",
            "tmpdir": self.folder,
            "secure-file-priv": self.folder,
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "bind-address": self.host,
            "port": self.port,
            "loose-feedback": "OFF",  # MariaDB would tell its makers about itself
            "loose-mysqlx": "OFF",  # MySQL would listen on another port as well
            "loose-innodb-log-file-size": _LOG_SIZE,
            "max-connections": 200,
            **self._settings,
        }
        return [
            self._binaries.server,
            "--no-defaults",
            "--skip-name-resolve",
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.OperationalError:
            return False
        return True


@cache
def _new_data(binaries: Binaries) -> Path:
    """Return a data folder that no server has used: making one takes longer than copying it."""
    folder = Path(tempfile.mkdtemp(prefix="tasker-maria-new-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    account = unprivileged_account(*_ACCOUNTS)
    give(folder, account)
    command: list[str | Path] = [binaries.install, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}"]
    if binaries.is_mysql:
        # MySQL's root may only use the socket where names are not resolved.
        start = folder / "start.sql"
        root = f"root@'{MariadbServer.host}'"
        start.write_text(f"CREATE USER {root};\nGRANT ALL ON *.* TO {root} WITH GRANT OPTION;\n")
        command += ["--initialize-insecure", f"--init-file={start}"]
    else:
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    command += [f"--loose-innodb-log-file-size={_LOG_SIZE}", "--innodb-buffer-pool-size=16M"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **identity_of(account))
    assert done.returncode == 0, f"{binaries.install} failed:\n{done.stdout}{done.stderr}"
    return folder / "data"


def run(connection: Any, *statements: str) -> list[Row]:
    """Run statements on a connection and return the rows of the last."""
    rows: list[Row] = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


def _is_stopped(task: Path) -> bool:
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture(scope="session")
def mariadb_server() -> MariadbServer:
    """A server for the whole session: tests leave it running and as it is."""
    return _server_of_session()


@cache
def _server_of_session() -> MariadbServer:
    # A fixture that several files import is one for each of them; this is one for all, until the interpreter ends.
    return MariadbServer()


@pytest.fixture
def mariadb_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with mariadb_server.database() as name:
        yield mariadb_server.url(name)


@pytest.fixture
def own_mariadb() -> Iterator[MariadbServer]:
    """A server that the test may break, with an empty database `t`."""
    with MariadbServer() as server:
        server.execute("CREATE DATABASE t")
        yield server
