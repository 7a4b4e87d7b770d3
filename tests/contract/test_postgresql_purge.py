"""Deleting schedules in PostgreSQL: in pieces that end in time, and only what nobody touches meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tasker.errors import StoreUnavailable
from tasker.ports import Action, Definition, Passed, Reason, Skip
from tasker.store.postgresql import Store, _store
from tests._support.postgres import PostgresServer, postgres_server, postgres_url  # noqa: F401 - fixtures

FAR = 2**60
PATIENCE = 20.0


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:  # noqa: F811 - that is how fixtures are asked for
    with closing(Store(postgres_url, call_limit=PATIENCE)) as opened:
        opened.register([Definition(id, "every second") for id in "abc"])
        yield opened


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def add_records(url: str, id: str, count: int) -> None:
    execute(
        url,
        "INSERT INTO tasker_run (at, slot, namespace, id, outcome) "
        f"SELECT n, n, '', '{id}', 'skipped' FROM generate_series(1, {count}) n",
    )


def records_left(url: str) -> dict[str, int]:
    return dict(query(url, "SELECT id, count(*) FROM tasker_run GROUP BY id"))


def test_a_long_history_goes_in_pieces_and_with_its_row(
    store: Store,
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 100)
    for id, count in (("a", 30), ("b", 1_234), ("c", 7)):
        add_records(postgres_url, id, count)
    assert store.purge(FAR).ids == set("abc")
    assert store.states() == ()
    assert records_left(postgres_url) == {}


@pytest.mark.parametrize("count", [99, 100, 101, 200])
def test_histories_as_long_as_a_piece_go_too(
    store: Store,
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 100)
    for id in "abc":
        add_records(postgres_url, id, count)
    assert store.purge(FAR).ids == set("abc")
    assert records_left(postgres_url) == {}


def test_what_there_is_no_time_for_goes_with_later_calls(
    store: Store,
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 1)
    add_records(postgres_url, "b", 2_000)
    store.call_limit = 0.3
    assert store.purge(FAR).ids == {"a"}
    with pytest.raises(StoreUnavailable, match="takes longer than"):
        store.purge(FAR)
    left = records_left(postgres_url)
    assert 0 < left["b"] < 2_000
    assert [state.id for state in store.states()] == ["b", "c"], "a row stays as long as it has records"
    monkeypatch.undo()
    store.call_limit = PATIENCE
    assert store.purge(FAR).ids == {"b", "c"}
    assert records_left(postgres_url) == {}


def test_a_row_that_another_has_locked_is_left_to_the_next_call(
    store: Store,
    postgres_url: str,  # noqa: F811
) -> None:
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT FROM tasker_schedule WHERE id = 'b' FOR NO KEY UPDATE")
        assert store.purge(FAR).ids == {"a", "c"}
        other.rollback()
    assert store.purge(FAR).ids == {"b"}


def test_a_row_that_gets_a_record_just_before_it_is_locked_is_left_to_the_next_call(
    store: Store,
    postgres_url: str,  # noqa: F811
) -> None:
    role = f"purger_{os.getpid()}"
    execute(
        postgres_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        # What this role reads of the table it reads only when the gate is open, after its statement has begun.
        "CREATE FUNCTION gate() RETURNS boolean LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN true; END $$",
        "ALTER TABLE tasker_schedule ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY slowly ON tasker_schedule USING (gate())",
    )
    slow = Store(postgres_url.replace("tasker@", f"{role}@"), call_limit=PATIENCE)
    try:
        with closing(slow), psycopg.connect(postgres_url) as keeper, ThreadPoolExecutor(1) as pool:
            keeper.execute("SELECT pg_advisory_xact_lock(42)")
            purging = pool.submit(slow.purge, FAR)
            wait_until_somebody_waits(postgres_url)
            slot = store.states(["b"])[0].decided + 1
            assert store.skip([Skip("b", slot, Passed(slot, slot, 1, Reason.MISFIRED))]).ids == {"b"}
            keeper.rollback()
            assert purging.result(PATIENCE).ids == {"a", "c"}
        assert len(store.history("b", 10)) == 1
        assert store.purge(FAR).ids == {"b"}
        assert records_left(postgres_url) == {}
    finally:
        execute(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def wait_until_somebody_waits(url: str) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    end = time.monotonic() + PATIENCE
    while query(url, waiting) == [(0,)]:
        assert time.monotonic() < end, "no call waits for the gate"


def test_rows_of_other_namespaces_stay(store: Store, postgres_url: str) -> None:  # noqa: F811
    others = [Store(postgres_url, namespace=name) for name in ("A", "a", "zz")]
    for other in others:
        other.register([Definition("a", "every second")])
        other.beat("owner", "worker", "1")
    assert store.purge(FAR).ids == set("abc")
    assert store.leave(["owner"]).ids == store.drain(["owner"], draining=True).ids == frozenset()
    for other in others:
        assert [state.id for state in other.states()] == ["a"]
        assert [instance.is_draining for instance in other.instances()] == [False]
        other.close()


def test_a_bell_that_was_rung_for_a_deleted_row_is_silent(store: Store) -> None:
    store.control(Action.TRIGGER, None)
    assert store.purge(FAR).ids == set("abc")
    assert store.poll(0).states == ()
