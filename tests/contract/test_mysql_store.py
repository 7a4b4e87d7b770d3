"""The MySQL store keeps the contracts, on a real MariaDB server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from tasker.contract import LeaseStoreContract, LockerFactoryContract, RepositoryContract, StoreContract
from tasker.ports import FORMAT
from tasker.store.mysql import LockerFactory, Repository, Store, _target
from tests._support.mariadb_server import MariadbServer, mariadb_server  # noqa: F401 - a fixture

_numbers = itertools.count()


@pytest.fixture(scope="module")
def database(mariadb_server: MariadbServer) -> Iterator[str]:  # noqa: F811 - that is how fixtures are asked for
    with mariadb_server.database() as name:
        with closing(Store(mariadb_server.url(name))) as store:
            store.states()  # which makes the tables
        yield name


class _OneDatabase:
    """Every test has a namespace of its own in one database."""

    server: MariadbServer
    database: str
    namespace: str

    @pytest.fixture(autouse=True)
    def place(self, mariadb_server: MariadbServer, database: str) -> None:  # noqa: F811
        self.server = mariadb_server
        self.database = database
        self.namespace = f"test_{next(_numbers)}"

    def make_store(self) -> Store:
        return Store(self.server.url(self.database), namespace=self.namespace)

    def change(self, statement: str, id: str, column: str = "id") -> None:
        of_row = f"WHERE namespace = '{self.namespace}' AND `{column}` = x'{id.encode().hex()}'"
        assert self.server.execute(f"{statement} {of_row}", "SELECT ROW_COUNT()", database=self.database) == [(1,)]


class _Rows(_OneDatabase, StoreContract):
    def make_newer(self, id: str) -> None:
        self.change(f"UPDATE tasker_schedule SET format = {FORMAT + 1}", id)

    def make_unreadable(self, id: str) -> None:
        self.change("UPDATE tasker_schedule SET format = 0", id)

    def set_token(self, id: str, token: int) -> None:
        self.change(f"UPDATE tasker_schedule SET token = {token}", id)

    def set_registered(self, id: str, instant: int) -> None:
        self.change(f"UPDATE tasker_schedule SET registered = {instant}", id)

    def delete_row(self, id: str) -> None:
        self.change("DELETE FROM tasker_schedule", id)


class TestMysqlStore(_Rows):
    pass


@pytest.mark.slow
class TestMysqlStoreInSomebodyElsesSession(_Rows):
    """What a proxy that shares sessions may give us: nothing that was set at the beginning is set any more."""

    @pytest.fixture(autouse=True)
    def somebody_elses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        modes = (
            "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,ONLY_FULL_GROUP_BY,"
            "NO_UNSIGNED_SUBTRACTION"
        )
        if self.server.is_mysql:
            modes += ",TIME_TRUNCATE_FRACTIONAL"
            planner = "optimizer_switch = 'mrr=on,mrr_cost_based=off,batched_key_access=on'"
        else:
            modes += ",EMPTY_STRING_IS_NULL,SIMULTANEOUS_ASSIGNMENT,TIME_ROUND_FRACTIONAL"
            switches = "mrr=on,mrr_sort_keys=on,optimize_join_buffer_size=on"
            planner = f"optimizer_switch = '{switches}', join_cache_level = 8"
        settings = (
            "SET NAMES latin1",
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET SESSION TRANSACTION READ ONLY",
            f"""SET SESSION sql_mode = '{modes}', autocommit = 0, completion_type = CHAIN,
              sql_safe_updates = 1, time_zone = '+05:30', group_concat_max_len = 64, {planner},
              @now = 1, @then = 1, @w = 'x', @p = 'x', @v = 'x', @r = 'x', @epoch = 1""",
        )
        monkeypatch.setattr(_target, "_SETTINGS", settings)


@pytest.mark.slow
class TestMysqlStoreThroughAProxyThatForbidsPackets(_Rows):
    """One that takes one statement at a time, as the server does from a client that has not said that it sends more."""

    @pytest.fixture(autouse=True)
    def forbid_packets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_target, "CLIENT", SimpleNamespace(MULTI_STATEMENTS=0))


class TestMysqlLocks(_OneDatabase, LeaseStoreContract):
    pass


class TestMysqlLockers(_OneDatabase, LockerFactoryContract):
    def make_locker_factory(self) -> LockerFactory:
        return LockerFactory(self.server.url(self.database), namespace=self.namespace, ttl=3)

    def lose_lock(self, key: str) -> None:
        self.change("UPDATE tasker_lock SET token = token + 1", key, column="key")


class TestMysqlRepository(_OneDatabase, RepositoryContract):
    def make_repository(self) -> Repository:
        return self.closed_after(Repository(self.server.url(self.database), namespace=self.namespace))

    def make_unreadable(self, id: str) -> None:
        self.change("UPDATE tasker_state SET format = 0", id)
