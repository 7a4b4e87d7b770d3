"""The SQLite store keeps the contracts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasker.contract import LeaseStoreContract, LockerFactoryContract, RepositoryContract, StoreContract
from tasker.ports import FORMAT
from tasker.store import sqlite


class _OneFile:
    """Each handle has connections of its own to the same file."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tasker.db"

    def make_store(self) -> sqlite.Store:
        return sqlite.Store(self.path)

    def execute(self, sql: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            assert database.execute(sql, parameters).rowcount == 1


class TestSqliteStore(_OneFile, StoreContract):
    def make_newer(self, id: str) -> None:
        self.execute("UPDATE tasker_schedule SET format = ? WHERE id = ?", FORMAT + 1, id)

    def make_unreadable(self, id: str) -> None:
        self.execute("UPDATE tasker_schedule SET decided = x'00ff' WHERE id = ?", id)

    def set_token(self, id: str, token: int) -> None:
        self.execute("UPDATE tasker_schedule SET token = ? WHERE id = ?", token, id)

    def delete_row(self, id: str) -> None:
        self.execute("DELETE FROM tasker_schedule WHERE id = ?", id)

    def set_registered(self, id: str, instant: int) -> None:
        self.execute("UPDATE tasker_schedule SET registered = ? WHERE id = ?", instant, id)


class TestSqliteLocks(_OneFile, LeaseStoreContract):
    pass


class TestSqliteLockers(_OneFile, LockerFactoryContract):
    def make_locker_factory(self) -> sqlite.LockerFactory:
        return sqlite.LockerFactory(self.path, ttl=3)

    def lose_lock(self, key: str) -> None:
        self.execute("DELETE FROM tasker_lock WHERE key = ?", key)


class TestSqliteRepository(_OneFile, RepositoryContract):
    def make_repository(self) -> sqlite.Repository:
        return sqlite.Repository(self.path)

    def make_unreadable(self, id: str) -> None:
        self.execute("UPDATE tasker_state SET decided = x'00ff' WHERE id = ?", id)
