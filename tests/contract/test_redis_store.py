"""The Redis store keeps the contracts, on a real Redis server and on a real Valkey server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tasker.contract import LeaseStoreContract, LockerFactoryContract, RepositoryContract, StoreContract
from tasker.ports import FORMAT
from tasker.store.redis import LockerFactory, Repository, Store
from tests._support.redis_server import RedisServer, redis_server, valkey_server  # noqa: F401 - fixtures

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["redis", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    found: RedisServer = request.getfixturevalue(f"{request.param}_server")
    yield found
    found.execute("FLUSHALL")


class _OneServer:
    """Every test has a namespace of its own on one server."""

    server: RedisServer
    namespace: str

    @pytest.fixture(autouse=True)
    def place(self, server: RedisServer) -> None:
        self.server = server
        self.namespace = f"test_{next(_numbers)}"
        server.settle(self.namespace)

    def make_store(self) -> Store:
        return Store(self.server.url(), namespace=self.namespace)

    def key(self, kind: str, id: str) -> str:
        return f"{{tasker:{self.namespace}}}:{kind}:{id}"

    def change(self, command: str, id: str, *arguments: object, kind: str = "s") -> None:
        assert self.server.execute(command, self.key(kind, id), *arguments) in (0, 1)


class TestRedisStore(_OneServer, StoreContract):
    def make_newer(self, id: str) -> None:
        self.change("HSET", id, "v", FORMAT + 1)

    def make_unreadable(self, id: str) -> None:
        self.change("HSET", id, "d", b"\x00\xff")

    def set_token(self, id: str, token: int) -> None:
        self.change("HSET", id, "t", token)

    def set_registered(self, id: str, instant: int) -> None:
        self.change("HSET", id, "g", instant)

    def delete_row(self, id: str) -> None:
        self.change("DEL", id)


class TestRedisLocks(_OneServer, LeaseStoreContract):
    pass


class TestRedisLockers(_OneServer, LockerFactoryContract):
    def make_locker_factory(self) -> LockerFactory:
        return LockerFactory(self.server.url(), namespace=self.namespace, ttl=3)

    def lose_lock(self, key: str) -> None:
        self.change("HINCRBY", key, "t", 1, kind="l")

    def change(self, command: str, id: str, *arguments: object, kind: str = "s") -> None:
        self.server.execute(command, self.key(kind, id), *arguments)


class TestRedisRepository(_OneServer, RepositoryContract):
    def make_repository(self) -> Repository:
        repository = Repository(self.server.url(), namespace=self.namespace)
        self._open.append(repository)
        return repository

    def make_unreadable(self, id: str) -> None:
        self.change("HSET", id, "d", "yesterday", kind="r")
