from __future__ import annotations

import sys
from typing import Any

import pytest

pytest.importorskip("redis")

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.connection import SSLConnection, UnixDomainSocketConnection

from tasker.errors import TaskerError
from tasker.store import open_store
from tasker.store.redis import LockerFactory, Repository, Store
from tasker.store.redis._target import Target


def target_at(url: str) -> Target:
    return Target(url, call_limit=1.5)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://db.example.com", "redis://db.example.com:6379/0"),
        ("REDIS://db:7000/3", "redis://db:7000/3"),
        ("redis://me:s3cret@db/1", "redis://me@db:6379/1"),
        ("redis://:s3%2Fc%40ret@db", "redis://db:6379/0"),
        ("redis://db?db=5", "redis://db:6379/5"),
        ("redis://[::1]:7000/", "redis://::1:7000/0"),
        ("rediss://me:s3cret@db:7000/0", "redis://me@db:7000/0"),
        ("valkey://db/2", "redis://db:6379/2"),
        ("valkeys://db", "redis://db:6379/0"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
        ("unix://me:s3cret@/run/redis.sock", "unix:///run/redis.sock?db=0"),
    ],
)
def test_a_url_says_where_the_server_is_and_its_text_has_no_password(url: str, shown: str) -> None:
    assert str(target_at(url)) == shown
    assert shown in repr(open_store(url))


@pytest.mark.parametrize(
    ("url", "kind"),
    [("rediss://db", SSLConnection), ("valkeys://db", SSLConnection), ("unix:///s", UnixDomainSocketConnection)],
)
def test_the_scheme_says_how_to_connect(url: str, kind: type) -> None:
    assert isinstance(target_at(url)._made(), kind)


@pytest.mark.parametrize(
    "url",
    [
        "redis:db",
        "redis://user:s3c/cret@host/0",
        "redis://user:s3c#cret@host/0",
        "redis://user:s3c?cret@host/0",
        "redis://user:4711?cret@host/0",
        "rediss://user:4711#cret@host",
        "valkey://user:4711/0?cret@host",
        "redis://:12/cret@host",
        "redis://host:s3cret",
        "redis://host:70000",
        "redis://host:0",
        "redis://host/s3cret",
        "redis://host/-1",
        "redis://host?db=s3cret",
        "redis://host?s3cret=1",
        "redis://host?ssl_ca_certs=/x",
        "rediss://host?ssl_cert_reqs=s3cret",
        "unix://",
        "unix://relative",
        "http://user:s3cret@host",
        "postgresql://user:s3cret@host/db",
        "",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url: str) -> None:
    for make in (Store, LockerFactory, Repository):
        with pytest.raises(ValueError, match="expected a Redis URL such as") as caught:
            make(url)
        assert "cret" not in str(caught.value)
        assert "cret" not in repr(caught.value.__context__)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("mark", ["?", "#", "?db=", "/1?"])
def test_a_part_of_the_password_is_not_taken_for_a_port(mark: str) -> None:
    with pytest.raises(ValueError, match=r"an @ after a [?] or #, which are %40, %3F and %23") as caught:
        Store(f"redis://user:4711{mark}cret@host")
    assert "4711" not in str(caught.value)
    quoted = {"?": "%3F", "#": "%23", "?db=": "%3Fdb=", "/1?": "%2F1%3F"}[mark]
    assert str(target_at(f"redis://user:4711{quoted}cret@host")) == "redis://user@host:6379/0"
    assert str(target_at("redis://host?username=me%40here")) == "redis://me@here@host:6379/0"


@pytest.mark.parametrize("wrong", [None, 7, b"redis://host", AsyncRedis(), redis.ConnectionPool()])
def test_what_is_neither_a_url_nor_a_client_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a Redis URL, or a client of redis-py"):
        Store(wrong)


def test_a_client_that_a_sentinel_leads_to_replicas_is_refused() -> None:
    sentinel: Any = vars(redis)["Sentinel"]([("127.0.0.1", 1)])
    with pytest.raises(ValueError, match="use master_for"):
        Store(sentinel.slave_for("main"))
    assert repr(Store(sentinel.master_for("main"))) == "<tasker.store.redis.Store redis://… (by a sentinel)>"


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_call_limit_that_makes_no_sense_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="call_limit"):
        Store("redis://host", call_limit=limit)


def test_a_client_is_a_model_for_the_connections_but_for_what_would_break_a_call() -> None:
    client = redis.Redis(
        host="db",
        port=7000,
        db=3,
        username="me",
        password="s3cret",
        decode_responses=True,
        socket_timeout=99,
        health_check_interval=5,
    )
    made: Any = Target(client, call_limit=1.5)._made()
    assert (made.host, made.port, made.db, made.username, made.password) == ("db", 7000, 3, "me", "s3cret")
    assert (made.encoder.decode_responses, made.health_check_interval) == (False, 0)
    assert (made.socket_timeout, made.socket_connect_timeout) == (1.5, 1.5)
    assert (made.retry._retries, made.retry_on_error, made.retry_on_timeout) == (0, [], False)
    assert repr(Store(client, namespace="app")) == "<tasker.store.redis.Store redis://me@db:7000/3, namespace='app'>"
    assert repr(Repository(client, namespace="app")).endswith("Repository redis://me@db:7000/3, namespace='app'>")


def test_what_a_url_says_of_retries_and_limits_does_not_count() -> None:
    made: Any = target_at("redis://db?retry_on_timeout=yes&socket_timeout=99&protocol=3&decode_responses=yes")._made()
    assert (made.retry._retries, made.retry_on_timeout, made.socket_timeout) == (0, False, 1.5)
    assert (int(made.protocol), made.encoder.decode_responses) == (2, False)


def test_a_move_is_followed_until_an_attempt_fails() -> None:
    target = target_at("redis://127.0.0.1:1/0")
    target.follow("127.0.0.2", 2)
    moved: Any = target._made()
    assert (moved.host, moved.port) == ("127.0.0.2", 2)
    target.follow("", 3)
    moved = target._made()
    assert (moved.host, moved.port) == ("127.0.0.2", 3)
    target.look_elsewhere()
    back: Any = target._made()
    assert (back.host, back.port) == ("127.0.0.1", 1)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "valkey", "valkeys"])
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tasker.store.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delattr("tasker.store.redis", raising=False)
    with pytest.raises(TaskerError, match=r"pip install 'py-tasker\[redis\]'") as caught:
        open_store(f"{scheme}://user:s3cret@host/0")
    assert "s3cret" not in str(caught.value)
