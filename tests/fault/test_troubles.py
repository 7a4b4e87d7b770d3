"""A store that is of no use for longer than a lease: nobody runs anything, and then all goes on without a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any

import pymysql
import pytest

from tests._support.mariadb_server import MariadbServer, run
from tests._support.places import Place
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests._support.server_process import free_port
from tests._support.stage import LEASE, Stage

pytestmark = pytest.mark.slow

Trouble = Callable[[Place], AbstractContextManager[None]]


@contextmanager
def postgres_setting(place: Place, setting: str, value: str) -> Iterator[None]:
    """Let a setting of the whole server have a value in the block."""
    server = place.server
    assert isinstance(server, PostgresServer)
    with server.connect(options="-c default_transaction_read_only=off -c synchronous_commit=local") as connection:
        connection.execute(f"ALTER SYSTEM SET {setting} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute(f"ALTER SYSTEM RESET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")


def postgres_reads_only(place: Place) -> AbstractContextManager[None]:
    return postgres_setting(place, "default_transaction_read_only", "on")


def postgres_commits_hang(place: Place) -> AbstractContextManager[None]:
    return postgres_setting(place, "synchronous_standby_names", "'nobody'")


@contextmanager
def postgres_is_full(place: Place) -> Iterator[None]:
    """Answer every change as a server does whose disk is full; filling one needs a file system of its own."""
    server = place.server
    assert isinstance(server, PostgresServer)
    raising = "BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END"
    with closing(server.connect(place.database)) as connection:
        connection.execute(f"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$".encode())
        connection.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON tasker_schedule EXECUTE FUNCTION full_disk()"
        )
        yield
        connection.execute("DROP FUNCTION full_disk CASCADE")


@contextmanager
def postgres_lets_nobody_in(place: Place) -> Iterator[None]:
    server = place.server
    assert isinstance(server, PostgresServer)
    server.execute("ALTER ROLE app CONNECTION LIMIT 0")
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    try:
        yield
    finally:
        server.execute("ALTER ROLE app CONNECTION LIMIT -1")


@contextmanager
def mariadb_statements(place: Place, begin: list[str], end: list[str]) -> Iterator[None]:
    """Let an administrator's session do something, stay during the block, and undo it."""
    server = place.server
    assert isinstance(server, MariadbServer)
    with closing(server.connect(place.database)) as connection:
        run(connection, *begin)
        try:
            yield
        finally:
            run(connection, *end)


def mariadb_reads_only(place: Place) -> AbstractContextManager[None]:
    return mariadb_statements(place, ["SET GLOBAL read_only = 1"], ["SET GLOBAL read_only = 0"])


def mariadb_commits_hang(place: Place) -> AbstractContextManager[None]:
    return mariadb_statements(place, ["FLUSH TABLES WITH READ LOCK"], ["UNLOCK TABLES"])


def mariadb_is_full(place: Place) -> AbstractContextManager[None]:
    """Answer every change as a server does whose disk is full; filling one needs a file system of its own."""
    raising = "FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'"
    begin = [f"CREATE TRIGGER full_disk BEFORE UPDATE ON tasker_schedule {raising}"]
    return mariadb_statements(place, begin, ["DROP TRIGGER full_disk"])


@contextmanager
def mariadb_lets_nobody_in(place: Place) -> Iterator[None]:
    server = place.server
    assert isinstance(server, MariadbServer)
    server.execute("ALTER USER tasker WITH MAX_USER_CONNECTIONS 1")
    try:
        with closing(only_session(server)):
            yield
    finally:
        server.execute("ALTER USER tasker WITH MAX_USER_CONNECTIONS 0")


def only_session(server: MariadbServer) -> Any:
    """End the sessions of instances until this one comes before they do, and so keeps them out.

    One that was logging in when the limit came is not counted, and not killed either: then it is another try.
    """
    sessions = "SELECT 1 FROM information_schema.processlist WHERE user IN ('tasker', 'unauthenticated user')"
    while True:
        server.end_sessions()
        with suppress(pymysql.OperationalError):
            session = server.connect(user="tasker")
            if len(server.execute(sessions)) == 1:
                return session
            session.close()


@contextmanager
def redis_commands(place: Place, begin: list[str], end: list[str]) -> Iterator[None]:
    server = place.server
    assert isinstance(server, RedisServer)
    server.execute(*begin)
    try:
        yield
    finally:
        server.execute(*end)


def redis_reads_only(place: Place) -> AbstractContextManager[None]:
    return redis_commands(place, ["REPLICAOF", place.server.host, str(free_port())], ["REPLICAOF", "NO", "ONE"])


def redis_writes_hang(place: Place) -> AbstractContextManager[None]:
    return redis_commands(place, ["CLIENT", "PAUSE", "60000", "WRITE"], ["CLIENT", "UNPAUSE"])


def redis_is_full(place: Place) -> AbstractContextManager[None]:
    return redis_commands(place, ["CONFIG", "SET", "maxmemory", "1kb"], ["CONFIG", "SET", "maxmemory", "0"])


@contextmanager
def redis_lets_nobody_in(place: Place) -> Iterator[None]:
    server = place.server
    assert isinstance(server, RedisServer)
    with closing(server.client()) as administrator:
        administrator.config_set("maxclients", 1)
        administrator.client_kill_filter(_type="normal", skipme=True)
        try:
            yield
        finally:
            administrator.config_set("maxclients", 10_000)


@contextmanager
def sqlite_is_locked(place: Place) -> Iterator[None]:
    with closing(sqlite3.connect(place.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


TROUBLES: Mapping[str, Mapping[str, Trouble]] = {
    "postgresql": {
        "is down": Place.down,
        "is frozen": Place.frozen,
        "only reads": postgres_reads_only,
        "never ends a commit": postgres_commits_hang,
        "has a full disk": postgres_is_full,
        "has no connection left": postgres_lets_nobody_in,
    },
    "mariadb": {
        "is down": Place.down,
        "is frozen": Place.frozen,
        "only reads": mariadb_reads_only,
        "never ends a commit": mariadb_commits_hang,
        "has a full disk": mariadb_is_full,
        "has no connection left": mariadb_lets_nobody_in,
    },
    "redis": {
        "is frozen": Place.frozen,
        "only reads": redis_reads_only,
        "never ends a write": redis_writes_hang,
        "has no memory left": redis_is_full,
        "has no connection left": redis_lets_nobody_in,
    },
    "sqlite": {"is locked": sqlite_is_locked},
}


def has_succeeded(stage: Stage, slot: int) -> list[str]:
    """Wait until the slot has been run to its end, and return how the attempts ended."""
    stage.until(lambda: stage.attempts(slot, "held")[-1:] == ["succeeded"], "the slot was run again")
    return stage.attempts(slot, "held")


def test_in_any_trouble_runs_are_left_none_begins_and_all_goes_on_after_it(place: Place, stage: Stage) -> None:
    holder = stage.start("--ids", "held", "--first", "60")
    other = stage.start("--ids", "quick")
    for name, trouble in TROUBLES[place.kind].items():
        stage.until(lambda: stage.is_at_work(holder), f"a run is under way before the server {name}")
        stage.wait("done", of=other)
        run = stage.notes("began", of=holder)[-1]
        with trouble(place):
            left = stage.wait("left", of=holder, after=run.at)
            assert (name, left.detail) == (name, "LeaseLost")
            stage.rest(LEASE / 2)
            assert (name, stage.notes("began", after=left.at)) == (name, [])
        # The slot of the run that was lost is run again, and others follow.
        stage.wait("done", of=other)
        attempts = has_succeeded(stage, left.slot)
        assert (name, attempts[0]) == (name, "lease_lost")
    stage.until(lambda: stage.is_at_work(holder), "all goes on")
    stage.stop()
    assert stage.problems(lost=[holder, other]) == []
    assert stage.stale() == []
