"""The memory store keeps the contracts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasker.contract import LeaseStoreContract, LockerFactoryContract, RepositoryContract, StoreContract
from tasker.ports import FORMAT, UNREADABLE
from tasker.store import memory


class _OneStore:
    """All instances of one process share one object."""

    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.store = memory.Store()

    def make_store(self) -> memory.Store:
        return self.store


class TestMemoryStore(_OneStore, StoreContract):
    def make_newer(self, id: str) -> None:
        self.store._rows[id].format = FORMAT + 1

    def make_unreadable(self, id: str) -> None:
        self.store._rows[id].format = UNREADABLE

    def set_token(self, id: str, token: int) -> None:
        self.store._rows[id].token = token

    def delete_row(self, id: str) -> None:
        del self.store._rows[id]

    def set_registered(self, id: str, instant: int) -> None:
        self.store._rows[id].registered = instant


class TestMemoryLocks(_OneStore, LeaseStoreContract):
    pass


class TestMemoryLockers(_OneStore, LockerFactoryContract):
    def make_locker_factory(self) -> memory.LockerFactory:
        return memory.LockerFactory(self.store, ttl=3)

    def lose_lock(self, key: str) -> None:
        del self.store._locks[key]


class TestMemoryRepository(RepositoryContract):
    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.repository = memory.Repository()

    def make_repository(self) -> memory.Repository:
        return self.repository

    def make_unreadable(self, id: str) -> None:
        self.repository._states[id] = replace(self.repository._states[id], format=UNREADABLE)
