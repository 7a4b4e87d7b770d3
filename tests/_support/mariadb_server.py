"""Throwaway MariaDB servers: one for the session, and private ones for tests that break theirs.

A server lives in a temporary folder, listens on a free port of the loopback address and on a socket in that folder,
runs as an unprivileged user when the tests run as root, and is gone at the end: with the fixture, with the interpreter,
and on Linux even when the interpreter is killed. Only processes that were started here are ever signaled.

Use it by importing the fixtures: `from tests._support.mariadb_server import mariadb_server, mariadb_url`.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import pymysql
import pytest

from tests._support.services import require_or_skip

_START_LIMIT = 30.0
_STOP_LIMIT = 30.0
_POLL = 0.01
_PR_SET_PDEATHSIG = 1
_LOG_SIZE = "8M"

# Speed before durability: a test's server survives no crash of the machine, but any crash of its own.
_FAST = {"innodb-flush-log-at-trx-commit": 2, "innodb-doublewrite": 0, "innodb-buffer-pool-size": "32M"}
_DURABLE = {"innodb-flush-log-at-trx-commit": 1, "innodb-buffer-pool-size": "256M"}

Row = tuple[Any, ...]


class Binaries(NamedTuple):
    """What makes a data folder, and what serves it."""

    install: Path
    server: Path


def find_mariadb() -> Binaries | None:
    """Return the programs, or `None` if this machine has none.

    The folder in `TASKER_MARIADB_BIN` comes first, then the path, then where Debian has them.
    """
    path = os.pathsep.join(
        (os.environ.get("TASKER_MARIADB_BIN", ""), os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin")
    )
    install, server = shutil.which("mariadb-install-db", path=path), shutil.which("mariadbd", path=path)
    return Binaries(Path(install), Path(server)) if install and server else None


class MariadbServer:
    """A MariaDB server of the test's own; a context manager that stops it and deletes its data.

    The user `tasker` may do everything in databases whose name begins with `t`, and has no privileges beyond; `root`
    has no password.

    Attributes:
        host: The loopback address.
        port: The TCP port; it stays the same over restarts.
        folder: The temporary folder: the data, the socket and the log are in it.
    """

    host = "127.0.0.1"

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
        self._account = _unprivileged_account()
        # Not in pytest's own folder: the name of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tasker-maria-"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._names = itertools.count(1)
        atexit.register(self.close)
        try:
            self._make_data()
            self._start_on_free_port()
            self.execute("CREATE USER tasker", "GRANT ALL ON `t%`.* TO tasker")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        self.execute(f"KILL USER {user}")
        end = time.monotonic() + _STOP_LIMIT
        while self.execute(f"SELECT 1 FROM information_schema.processlist WHERE user = '{user}'"):
            assert time.monotonic() < end, "sessions outlived their end"
            time.sleep(_POLL)

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        self._launch()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server, cutting all sessions, and wait until it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, as a failed machine does; `start` recovers it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the time of the server: it accepts connections and never answers."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task")
        # One of its threads may be at work on another core for a moment yet.
        while tasks.exists() and not all(_is_stopped(task) for task in tasks.iterdir()):
            time.sleep(_POLL)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server if it runs, and delete all that it had."""
        atexit.unregister(self.close)
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the server has written to its log."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _make_data(self) -> None:
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        subprocess.run(["cp", "-a", _new_data(self._binaries), self._data], check=True)

    def _start_on_free_port(self) -> None:
        # Between finding a free port and listening on it another process may take it.
        for last in (False, False, True):
            self.port = _free_port()
            try:
                self.start()
            except AssertionError:
                self._end(signal.SIGKILL)
                if last or "Can't start server: Bind on TCP/IP port" not in self.log():
                    raise
            else:
                return

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for pytest, which then closes the server
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - what it calls was loaded before the fork
                **_identity(self._account),
            )

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "datadir": self._data,
            "tmpdir": self.folder,
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "bind-address": self.host,
            "port": self.port,
            "feedback": "OFF",  # it would tell its makers about itself
            "innodb-log-file-size": _LOG_SIZE,
            "max-connections": 200,
            **self._settings,
        }
        return [
            self._binaries.server,
            "--no-defaults",
            "--skip-name-resolve",
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _START_LIMIT
        while True:
            process = self._process
            assert process is not None
            assert process.poll() is None, f"the server ended by itself:\n{self.log()}"
            try:
                self.connect().close()
            except pymysql.OperationalError:
                assert time.monotonic() < end, f"the server did not start:\n{self.log()}"
                time.sleep(_POLL)
            else:
                return

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen one would never hear the rest
        process.wait(_STOP_LIMIT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        self._process.send_signal(number)


@cache
def _new_data(binaries: Binaries) -> Path:
    """Return a data folder that no server has used: making one takes longer than copying it."""
    folder = Path(tempfile.mkdtemp(prefix="tasker-maria-new-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    account = _unprivileged_account()
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    command: list[str | Path] = [binaries.install, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}"]
    command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    command += [f"--innodb-log-file-size={_LOG_SIZE}", "--innodb-buffer-pool-size=16M"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, **_identity(account))
    assert done.returncode == 0, f"mariadb-install-db failed:\n{done.stdout}{done.stderr}"
    return folder / "data"


def _identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def run(connection: Any, *statements: str) -> list[Row]:
    """Run statements on a connection and return the rows of the last."""
    rows: list[Row] = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return who runs the server: `None` for the user of the tests, unless that is root."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("the tests run as root, and there is no user mysql or nobody for the server")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((MariadbServer.host, 0))
        return int(probe.getsockname()[1])


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Let the server die when the process of the tests dies without saying goodbye; runs in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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
