"""The PostgreSQL store keeps the contracts, on a real server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from tasker.contract import (
    LeaseStoreContract,
    LockerFactoryContract,
    RepositoryContract,
    StoreContract,
    deviates,
)
from tasker.errors import StaleToken, StoreUnavailable, TaskerError
from tasker.ports import FORMAT, ScheduleState
from tasker.store.postgresql import LockerFactory, Repository, Store
from tests._support.postgres import PostgresServer, postgres_server  # noqa: F401 - a fixture

_numbers = itertools.count()


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:  # noqa: F811 - that is how fixtures are asked for
    with postgres_server.database() as name:
        yield name


class _OneDatabase:
    """Every test has a namespace of its own in one database."""

    server: PostgresServer
    database: str
    namespace: str

    @pytest.fixture(autouse=True)
    def place(self, postgres_server: PostgresServer, database: str) -> None:  # noqa: F811
        self.server = postgres_server
        self.database = database
        self.namespace = f"test_{next(_numbers)}"

    def make_store(self) -> Store:
        return Store(self.server.url(self.database), namespace=self.namespace)

    def change(self, statement: str, id: str, column: str = "id") -> None:
        with self.server.connect(self.database) as connection:
            connection.execute(f"{statement} WHERE namespace = %s AND {column} = %s".encode(), (self.namespace, id))


class TestPostgresqlStore(_OneDatabase, StoreContract):
    def make_newer(self, id: str) -> None:
        self.change(f"UPDATE tasker_schedule SET format = {FORMAT + 1}", id)

    def set_token(self, id: str, token: int) -> None:
        self.change(f"UPDATE tasker_schedule SET token = {token}", id)

    def delete_row(self, id: str) -> None:
        self.change("DELETE FROM tasker_schedule", id)

    def set_registered(self, id: str, instant: int) -> None:
        self.change(f"UPDATE tasker_schedule SET registered = {instant}", id)

    @deviates("the columns have types, so the server refuses what no version can read")
    def test_a_row_that_cannot_be_read_is_shown_as_newer_and_refused(self) -> None:
        store = self.start()
        for spoilt in ("decided = 'x'", "decided = NULL", "token = NULL", "format = NULL", "attempt = 'one'"):
            with pytest.raises((psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)):
                self.change(f"UPDATE tasker_schedule SET {spoilt}", "job")
        assert len(store.states()) == 1


class TestPostgresqlLocks(_OneDatabase, LeaseStoreContract):
    pass


class TestPostgresqlLockers(_OneDatabase, LockerFactoryContract):
    def make_locker_factory(self) -> LockerFactory:
        return LockerFactory(self.server.url(self.database), namespace=self.namespace, ttl=3)

    def lose_lock(self, key: str) -> None:
        self.change("UPDATE tasker_lock SET token = token + 1", key, column="key")


class TestPostgresqlRepository(_OneDatabase, RepositoryContract):
    def make_repository(self) -> Repository:
        repository = Repository(self.server.url(self.database), namespace=self.namespace)
        self._open.append(repository)
        return repository

    @deviates("the columns have types, so the server refuses what no version can read")
    def test_a_state_that_cannot_be_read_is_shown_as_newer_and_the_others_as_they_are(self) -> None:
        repository = self.make_repository()
        repository.create(ScheduleState(id="job", decided=1))
        for spoilt in ("decided = 'x'", "decided = NULL", "token = NULL", "format = NULL", "attempt = 'one'"):
            with pytest.raises((psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)):
                self.change(f"UPDATE tasker_state SET {spoilt}", "job")
        assert repository.find_by_id("job") == ScheduleState(id="job", decided=1)

    def test_a_state_of_a_newer_format_is_not_replaced(self) -> None:
        repository = self.make_repository()
        newer = ScheduleState(id="job", decided=1, token=5, format=FORMAT + 1)
        repository.create(newer)
        for token in (4, 5, 6):
            with pytest.raises(TaskerError, match="'job' is left as it is: its format 2 is newer than 1") as caught:
                repository.update(ScheduleState(id="job", decided=2, token=token))
            assert not isinstance(caught.value, (StaleToken, StoreUnavailable))
        repository.create(ScheduleState(id="job", decided=3))
        assert repository.find_by_id("job") == newer
        repository.delete_by_id("job")
        assert repository.find_by_id("job") is None
