"""A sentinel that says where the primary is, and connections over TLS."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis

from tasker.contract._promises import wait_for
from tasker.errors import StoreUnavailable
from tasker.ports import Definition, Grant, Held, Proposal
from tasker.store.redis import Store
from tests._support.redis_server import RedisServer, find_redis
from tests._support.server_process import free_port
from tests._support.services import require_or_skip

LONG = 60_000_000


class Sentinel:
    """A sentinel that watches one primary, and decides alone; it is a Redis server too."""

    def __init__(self, folder: Path, primary: RedisServer) -> None:
        binary = find_redis()
        assert binary is not None
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main {primary.host} {primary.port} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n"
        )
        self._process = subprocess.Popen(
            [binary, config, "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def ask(self, *words: str) -> Any:
        with closing(redis.Redis(port=self.port, socket_timeout=10)) as client:
            run: Any = client.execute_command
            return run("SENTINEL", *words)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def servers() -> Iterator[tuple[RedisServer, RedisServer]]:
    with (
        RedisServer(settings={"repl-diskless-sync-delay": 0}) as primary,
        RedisServer(settings={"replicaof": [primary.host, primary.port]}) as replica,
    ):
        yield primary, replica


def propose(store: Store, ttl: int = LONG) -> tuple[Grant, ...]:
    slot = store.register([Definition("job", "every second")]).states[0].decided + 1
    return store.claim("A", ttl, 1, [Proposal("job", slot)]).grants


@pytest.mark.slow
def test_a_store_follows_a_sentinel_to_the_new_primary(
    servers: tuple[RedisServer, RedisServer], tmp_path: Path
) -> None:
    primary, replica = servers
    primary.settle()
    with closing(Sentinel(tmp_path, primary)) as sentinel:
        wait_for(lambda: bool(_if_it_answers(lambda: sentinel.ask("GET-MASTER-ADDR-BY-NAME", "main"))), 20)
        # It is in no hurry by itself, and before Redis 7 it cannot be asked to be.
        _if_it_answers(lambda: sentinel.ask("DEBUG", "INFO-PERIOD", "100", "PUBLISH-PERIOD", "100"))
        manager: Any = vars(redis)["Sentinel"]([("127.0.0.1", sentinel.port)], socket_timeout=5)
        with closing(manager.master_for("main")) as client, closing(Store(client, call_limit=5)) as store:
            (grant,) = propose(store)
            wait_for(lambda: replica.execute("HGET", "{tasker:}:s:job", "o") == b"A", 20)
            # It refuses as long as it does not know the replica.
            wait_for(lambda: bool(_if_it_answers(lambda: sentinel.ask("FAILOVER", "main"))), 30)
            for server, role in ((replica, b"master"), (primary, b"slave")):
                wait_for(partial(_has_role, server, role), 30)
            kept = _until_available(lambda: store.renew("A", LONG, [Held("job", grant.token)], 5).kept)
            assert kept == {"job"}
            _until_available(lambda: store.register([Definition("other", "every second")]))
            assert {state.id for state in store.states()} == {"job", "other"}
            assert replica.execute("EXISTS", "{tasker:}:s:other") == 1
            now = store.poll(0).now
            assert store.claim("A", LONG, 1, [Proposal("other", now)]).grants == ()
        manager.sentinels[0].close()


def _has_role(server: RedisServer, role: bytes) -> bool:
    found = _if_it_answers(lambda: server.execute("ROLE"))
    return found is not None and found[0] == role


def _if_it_answers(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (redis.ConnectionError, redis.ResponseError):
        return None


def _until_available(call: Callable[[], Any]) -> Any:
    end = time.monotonic() + 30
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    openssl = shutil.which("openssl")
    require_or_skip(openssl, "no openssl, which makes the certificate of the server")
    # Not a folder of pytest's: those are closed to other users, as the server is one, by each pytest that starts.
    with TemporaryDirectory(prefix="certificate-") as name:
        folder = Path(name)
        command = [
            str(openssl),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
        ]
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
        subprocess.run(command, check=True, capture_output=True)
        (folder / "key").chmod(0o644)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[RedisServer, str]]:
    port = free_port()
    settings = {
        "tls-port": port,
        "tls-cert-file": certificate / "certificate",
        "tls-key-file": certificate / "key",
        "tls-ca-cert-file": certificate / "certificate",
        "tls-auth-clients": "no",
    }
    try:
        started = RedisServer(settings=settings)
    except AssertionError as error:
        require_or_skip("tls" not in str(error).lower(), "the Redis server was built without TLS")
        raise
    with started as server:
        yield server, f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate / 'certificate'}"


def test_a_connection_over_tls_works_and_is_cut_in_time(tls_server: tuple[RedisServer, str]) -> None:
    server, url = tls_server
    server.settle()
    with closing(Store(url, call_limit=10)) as store:
        (grant,) = propose(store)
        assert store.renew("A", LONG, [Held("job", grant.token)], 10).kept == {"job"}
        server.freeze()
        try:
            store.call_limit = 0.3
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"):
                store.poll(0)
            with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.2 s"):
                store.renew("A", LONG, [], 0.2)
            assert time.monotonic() - begun < 5
        finally:
            server.thaw()
        store.call_limit = 10
        store.poll(0)


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(tls_server: tuple[RedisServer, str]) -> None:
    _, url = tls_server
    with (
        closing(Store(url.partition("?")[0], call_limit=10)) as store,
        pytest.raises(StoreUnavailable, match=r"(?i)certificate"),
    ):
        store.poll(0)
