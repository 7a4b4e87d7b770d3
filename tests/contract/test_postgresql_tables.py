"""The tables of the PostgreSQL store: made by themselves, once, and left alone where they are not ours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import (
    REGISTERED_ANEW_AFTER,
    Action,
    Definition,
    Ending,
    Held,
    Outcome,
    Passed,
    Proposal,
    Reason,
    Skip,
)
from tasker.store.postgresql import LockerFactory, Repository, Store, _store, schema_sql
from tests._support.postgres import PostgresServer, postgres_server, postgres_url  # noqa: F401 - fixtures

TTL = 60_000_000

REGISTER_AT_A_SIGNAL = """
import sys
from tasker.ports import Definition
from tasker.store.postgresql import Store
store = Store(sys.argv[1], call_limit=20)
print("ready", flush=True)
sys.stdin.readline()
states = store.register([Definition(f"job {number}", "every second") for number in range(20)]).states
print(len(states), flush=True)
store.close()
"""


@contextmanager
def opened(url: str, **options: object) -> Iterator[Store]:
    with closing(Store(url, **options)) as store:  # type: ignore[arg-type]
        yield store


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def schemas_with_tables(url: str) -> list[str]:
    rows = query(url, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'tasker_schedule' ORDER BY 1")
    return [str(schema) for (schema,) in rows]


def register(store: Store) -> int:
    return len(store.register([Definition("job", "every second")]).states)


@pytest.mark.slow
def test_ten_processes_that_start_at_once_make_the_tables_once(postgres_url: str) -> None:  # noqa: F811
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER_AT_A_SIGNAL, postgres_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, output, errors) == (0, "20\n", "")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert query(postgres_url, "SELECT count(*) FROM tasker_schedule") == [(20,)]
    assert query(postgres_url, "SELECT format, readable_by FROM tasker_meta") == [(2, 1)]


def test_without_migrate_nothing_is_made(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, migrate=False) as store:
        with pytest.raises(TaskerError, match=r"missing in the search path, .*schema_sql\('public'\)"):
            register(store)
        assert schemas_with_tables(postgres_url) == []
        execute(postgres_url, schema_sql())
        assert register(store) == 1


def test_sql_for_a_schema_makes_the_tables_in_it(postgres_url: str) -> None:  # noqa: F811
    execute(postgres_url, "CREATE SCHEMA jobs", schema_sql("jobs"))
    assert schemas_with_tables(postgres_url) == ["jobs"]
    with opened(postgres_url, schema="jobs", migrate=False) as store:
        assert register(store) == 1


def test_a_schema_that_is_missing_is_made(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, schema="Own_1") as store:
        assert register(store) == 1
    assert schemas_with_tables(postgres_url) == ["Own_1"]


def test_tables_are_found_anywhere_on_the_search_path(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, schema="second") as store:
        register(store)
    path = f"{postgres_url}?options=-csearch_path%3Dpublic,second"
    with opened(path) as store:
        assert [state.id for state in store.states()] == ["job"]
    assert schemas_with_tables(postgres_url) == ["second"]


def test_an_empty_search_path_is_reported(postgres_url: str) -> None:  # noqa: F811
    url = f"{postgres_url}?options=-csearch_path%3D"
    with opened(url) as store, pytest.raises(TaskerError, match="give the store a schema"):
        register(store)


@pytest.mark.parametrize("name", [7, None, b"name", ["name"]])
def test_a_name_that_is_no_string_is_refused(name: Any) -> None:
    for kind in (Store, Repository, LockerFactory):
        with pytest.raises(TypeError, match=r"namespace: expected a string, got "):
            kind("postgresql://localhost/x", namespace=name)
        if name is not None:
            with pytest.raises(TypeError, match=r"schema: expected a string, got "):
                kind("postgresql://localhost/x", schema=name)


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a;b", "1a", "ä", "x" * 64, "a\n"])
def test_a_schema_that_is_no_identifier_is_refused(name: str) -> None:
    for kind in (Store, Repository, LockerFactory):
        with pytest.raises(ValueError, match="schema: expected an identifier"):
            kind("postgresql://localhost/x", schema=name)


@pytest.mark.parametrize("name", ["a b", 'a"b', "a;b", "1a", "ä", "x" * 64, "a\n"])
def test_a_namespace_that_is_no_identifier_is_refused(name: str) -> None:
    for kind in (Store, Repository, LockerFactory):
        with pytest.raises(ValueError, match="namespace: expected an identifier"):
            kind("postgresql://localhost/x", namespace=name)


def test_namespaces_do_not_see_each_other(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, namespace="a") as a, opened(postgres_url, namespace="b") as b:
        slot = a.register([Definition("job", "every second")]).states[0].decided + 1
        b.register([Definition("job", "every second")])
        (grant,) = a.claim("A", TTL, 1, [Proposal("job", slot)]).grants
        assert b.renew("A", TTL, [Held("job", grant.token)], 1).kept == frozenset()
        assert b.states(["job"])[0].owner is None
        a.control("pause", None)  # type: ignore[arg-type]
        assert b.states(["job"])[0].paused is None
        assert b.poll(0).states == ()
        assert len(a.acquire("A", TTL, ["key"]).grants) == 1
        assert len(b.acquire("B", TTL, ["key"]).grants) == 1


def test_a_table_of_another_program_is_left_as_it_is(postgres_url: str) -> None:  # noqa: F811
    execute(postgres_url, "CREATE TABLE tasker_schedule (mine text)")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match="has a name that tasker uses"):
        register(store)
    columns = query(
        postgres_url, "SELECT column_name FROM information_schema.columns WHERE table_name = 'tasker_schedule'"
    )
    assert columns == [("mine",)]
    assert query(postgres_url, "SELECT to_regclass('tasker_meta')") == [(None,)]


@pytest.mark.parametrize("table", ["tasker_run", "tasker_lock", "tasker_state", "tasker_bell", "tasker_instance"])
def test_any_table_of_another_program_is_named(postgres_url: str, table: str) -> None:  # noqa: F811
    execute(postgres_url, f"CREATE TABLE {table} (mine text)")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match=f'schema of its own .*"{table}"') as caught:
        register(store)
    assert not isinstance(caught.value, StoreUnavailable)
    assert schemas_with_tables(postgres_url) == []


def test_a_table_that_is_replaced_by_another_is_reported(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        register(store)
    execute(postgres_url, "DROP TABLE tasker_run", "CREATE TABLE tasker_run (mine text)")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match="not tasker's, or is damaged") as caught:
        store.history("job", 1)
    assert not isinstance(caught.value, StoreUnavailable)


def test_tables_with_other_columns_are_reported(postgres_url: str) -> None:  # noqa: F811
    execute(postgres_url, "CREATE TABLE tasker_meta (something text)")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match="not tasker's"):
        register(store)


def test_tables_of_a_newer_version_that_this_one_can_read_are_used(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        register(store)
    execute(
        postgres_url,
        "UPDATE tasker_meta SET format = 9",
        "ALTER TABLE tasker_schedule ADD COLUMN more text DEFAULT 'x'",
    )
    with opened(postgres_url) as store:
        slot = store.register([Definition("job", "every second")]).states[0].decided + 1
        assert len(store.claim("A", TTL, 1, [Proposal("job", slot)]).grants) == 1
    assert query(postgres_url, "SELECT format FROM tasker_meta") == [(9,)]


def test_tables_of_a_newer_version_that_this_one_cannot_read_are_refused(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        register(store)
    execute(postgres_url, "UPDATE tasker_meta SET format = 9, readable_by = 9")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match=r"are of format 9; .* update tasker"):
        register(store)


def test_tables_that_vanish_are_made_again(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, schema="jobs") as store:
        register(store)
        execute(postgres_url, "DROP SCHEMA jobs CASCADE")
        with pytest.raises(StoreUnavailable, match="the tables of tasker are gone"):
            store.states()
        assert register(store) == 1


def test_an_outcome_of_a_newer_version_harms_nothing(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        slot = store.register([Definition("job", "every second")]).states[0].decided + 1
        (grant,) = store.claim("A", TTL, 1, [Proposal("job", slot)]).grants
        store.finish("A", [Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=slot, error="why")])
        execute(
            postgres_url, "UPDATE tasker_schedule SET last_outcome = 'new'", "UPDATE tasker_run SET outcome = 'new'"
        )
        assert store.states()[0].last_outcome is None
        assert store.history("job", 10) == ()


def test_the_overview_has_times_for_people(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        store.register([Definition("job", "yearly", next_slot=4_102_444_799_999_999)])
    rows = query(
        postgres_url, "SELECT id, next_slot AT TIME ZONE 'UTC' = '2099-12-31 23:59:59.999999' FROM tasker_overview"
    )
    assert rows == [("job", True)]


def test_a_known_schedule_is_registered_without_a_write_and_without_waiting_for_its_row(
    postgres_url: str,  # noqa: F811
) -> None:
    place = "SELECT ctid, xmin FROM tasker_schedule"
    with opened(postgres_url, call_limit=20) as store, psycopg.connect(postgres_url) as other:
        register(store)
        before = query(postgres_url, place)
        other.execute("SELECT FROM tasker_schedule FOR UPDATE")
        assert register(store) == 1
        other.rollback()
        assert query(postgres_url, place) == before
        other.execute(f"UPDATE tasker_schedule SET registered = registered - {REGISTERED_ANEW_AFTER + 1}".encode())
        other.commit()
        for _ in range(2):
            assert register(store) == 1
        changed = query(postgres_url, place)
        assert register(store) == 1
        assert query(postgres_url, place) == changed != before


def test_claims_renewals_and_finishes_are_heap_only_updates(postgres_url: str) -> None:  # noqa: F811
    ids = [f"job {number}" for number in range(100)]
    with opened(postgres_url) as store:
        decided = (
            store.register([Definition(id, "every day at 12:00 in Europe/Berlin") for id in ids]).states[0].decided
        )
        for number in range(10):
            slot = decided + 1 + number
            grants = store.claim("A", TTL, 100, [Proposal(id, slot) for id in ids]).grants
            assert len(grants) == 100
            store.renew("A", TTL, [Held(grant.id, grant.token) for grant in grants], 3)
            store.finish(
                "A", [Ending(id=g.id, token=g.token, outcome=Outcome.SUCCEEDED, through=g.slot) for g in grants]
            )
    # What a session has counted is there for all once it has ended.
    counts = "SELECT n_tup_upd, n_tup_hot_upd > 2900 FROM pg_stat_user_tables WHERE relname = 'tasker_schedule'"
    end = time.monotonic() + 20
    while query(postgres_url, counts) != [(3000, True)]:
        assert time.monotonic() < end, query(postgres_url, counts)
        time.sleep(0.05)


def test_beats_are_heap_only_updates(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        for _ in range(101):
            store.beat("owner", "worker", "1")
    counts = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tasker_instance'"
    assert wait_for_counts(postgres_url, counts, 100) == (100, 100)


def test_no_operation_on_some_schedules_reads_all_of_them(postgres_url: str) -> None:  # noqa: F811
    ids = [f"job {number:05}" for number in range(10_000)]
    counts = "SELECT seq_scan, n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tasker_schedule'"
    with opened(postgres_url, call_limit=20) as store:
        decided = store.register([Definition(id, "every second") for id in ids]).states[0].decided
    execute(postgres_url, "ANALYZE tasker_schedule")
    before = wait_for_counts(postgres_url, counts, 10_000)
    some = ids[::39]
    with opened(postgres_url, call_limit=20) as store:
        grants = store.claim("A", TTL, 100, [Proposal(id, decided + 1) for id in some]).grants
        held = [Held(grant.id, grant.token) for grant in grants]
        store.renew("A", TTL, held, 20)
        store.release("A", held[90:])
        endings = [Ending(id=g.id, token=g.token, outcome=Outcome.SUCCEEDED, through=g.slot) for g in grants[:80]]
        store.finish("A", endings)
        lost = [Ending(id=g.id, token=g.token, outcome=Outcome.INTERRUPTED, through=None) for g in grants[70:90]]
        store.finish("A", lost)
        store.skip([Skip(id, decided + 9, Passed(decided + 9, decided + 9, 1, Reason.MISFIRED)) for id in some[100:]])
        for action in Action:
            store.control(action, some)
        store.states(some)
        store.poll(0)
        store.register([Definition(id, "every minute") for id in some])
    after = wait_for_counts(postgres_url, counts, before[1] + 1_000)
    assert after[0] == before[0]


def wait_for_counts(url: str, statement: str, changes: int) -> tuple[int, int]:
    """Return two counts of a table once the second, of changes, is high enough: a session tells them when it ends."""
    end = time.monotonic() + 20
    while True:
        ((count, done),) = query(url, statement)
        assert isinstance(count, int)
        assert isinstance(done, int)
        if done >= changes:
            return count, done
        assert time.monotonic() < end, (count, done)
        time.sleep(0.05)


def test_a_schedule_costs_less_than_600_bytes_of_the_heap(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        store.register([Definition(f"maintenance {n}", "every day at 12:00 in Europe/Berlin") for n in range(3_000)])
    ((size,),) = query(postgres_url, "SELECT pg_relation_size('tasker_schedule')")
    assert isinstance(size, int)
    assert size / 3_000 < 600


def test_ids_are_told_apart_in_a_database_with_another_order_of_letters(
    postgres_server: PostgresServer,  # noqa: F811
) -> None:
    try:
        postgres_server.execute(
            "CREATE DATABASE sorted TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-u-ks-level1' LOCALE 'C'"
        )
    except (psycopg.NotSupportedError, psycopg.errors.SyntaxError):
        pytest.skip("this build of PostgreSQL has no ICU")
    ids = ["Job", "JOB", "job", "job ", "jöb", "jo\u0308b"]
    try:
        with opened(postgres_server.url("sorted")) as store:
            decided = store.register([Definition(id, id) for id in ids]).states[0].decided
            assert [state.id for state in store.states()] == sorted(ids)
            grants = store.claim("A", TTL, 10, [Proposal(id, decided + 1) for id in ids]).grants
            assert len(grants) == len(ids)
            endings = [Ending(id=g.id, token=g.token, outcome=Outcome.SUCCEEDED, through=g.slot) for g in grants]
            assert set(store.finish("A", endings).answers.values()) == {"recorded"}
            assert len(store.acquire("A", TTL, ids).grants) == len(ids)
    finally:
        postgres_server.execute("DROP DATABASE sorted WITH (FORCE)")


def test_an_empty_table_of_the_format_is_reported(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store:
        register(store)
    execute(postgres_url, "DELETE FROM tasker_meta")
    with opened(postgres_url) as store, pytest.raises(TaskerError, match="is empty: it is damaged") as caught:
        register(store)
    assert not isinstance(caught.value, StoreUnavailable)


def test_what_does_not_fit_into_one_reply_comes_in_pages(
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_store, "_READ_AT_MOST", 2)
    ids = [f"job {number}" for number in range(5)]
    with opened(postgres_url) as store:
        store.register([Definition(id, "every second") for id in ids])
        assert [state.id for state in store.states()] == ids
        for id in ids:
            store.control(Action.PAUSE, [id])
        assert sorted(state.id for state in store.poll(0).states) == ids


def test_a_trim_deletes_no_more_than_it_may_and_goes_on_with_the_next_call(
    postgres_url: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 3)
    monkeypatch.setattr(_store, "_CHUNK", 1)
    with opened(postgres_url) as store:
        store.register([Definition("a", "every second"), Definition("b", "every second")])
        for id in ("a", "b"):
            for slot in range(5):
                first = store.states([id])[0].decided + 1 + slot
                store.skip([Skip(id, first, Passed(first, first, 1, Reason.MISFIRED))])
        assert [store.trim(["a", "b"], 0, 0) for _ in range(5)] == [3, 3, 3, 1, 0]
