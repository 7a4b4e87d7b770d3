"""Locks and states of third parties, as `tasker.ports` wants them, under the contracts that ours keep.

Those of the memory and SQLite stores are in `test_memory_store` and `test_sqlite_store`.
"""

from __future__ import annotations

import pytest

from tasker.contract import LockerFactoryContract, RepositoryContract
from tests._support.third_party import FencedLocks, FencedStates, Locks


class TestThreadLocks(LockerFactoryContract):
    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.factory = Locks()

    def make_locker_factory(self) -> Locks:
        return self.factory


class TestFencedThreadLocks(LockerFactoryContract):
    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.factory = FencedLocks()

    def make_locker_factory(self) -> FencedLocks:
        return self.factory


class TestStates(RepositoryContract):
    @pytest.fixture(autouse=True)
    def place(self) -> None:
        self.states = FencedStates()

    def make_repository(self) -> FencedStates:
        return self.states
