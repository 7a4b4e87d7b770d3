"""Tables that an older version made: brought up to date by whoever comes first, and of use to that older version."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasker.errors import StaleToken, StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Ending, Outcome, Proposal, ScheduleState
from tasker.store.postgresql import Repository, Store, _schema, schema_sql
from tests._support.postgres import PostgresServer, postgres_server, postgres_url  # noqa: F401 - fixtures

FORMAT_1 = Path(__file__).parent / "format_1" / "postgresql"
NAMESPACE = ""
TTL = 60_000_000
OWNER = "00000000-0000-0000-0000-000000000001"

START_AT_A_SIGNAL = """
import sys
from tasker.ports import Definition
from tasker.store.postgresql import Store
store = Store(sys.argv[1], call_limit=20)
print("ready", flush=True)
sys.stdin.readline()
states = store.register([Definition("old", "every second"), Definition("new", "every second")]).states
store.beat(sys.argv[2], "worker", "2")
print(sorted((state.id, state.runs) for state in states), flush=True)
store.close()
"""


class Old:
    """A program of format 1, as far as its statements go."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, name: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = psycopg.RawCursor(self._connection)
        cursor.execute((FORMAT_1 / f"{name}.sql").read_bytes(), (NAMESPACE, *parameters))
        return cursor.fetchall() if cursor.description else []

    def register(self, id: str, definition: str = "every second") -> None:
        self.run("register", [id], [definition], [None])
        rows = self.run("registered", [id])
        assert [row[2] for row in rows] == [id]

    def run_once(self, id: str) -> int:
        """Claim, renew and finish; return the token."""
        slot = self.run("registered", [id])[0][3] + 1
        ((now, token, given, *_),) = self.run("claim", [id], [slot], [None], 1, OWNER, TTL)
        assert given == slot <= now
        assert self.run("renew", OWNER, [id], [token], TTL)[0][1] == id
        ((_, lost, _),) = self.run(
            "finish", OWNER, [id], [token], ["failed"], [slot], [None], ["why"], [id], [slot], [slot], [1], ["overlap"]
        )
        assert lost is None
        return int(token)


@contextmanager
def old_program(url: str) -> Iterator[Old]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield Old(connection)


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Store]:
    with closing(Store(url, **options)) as store:
        yield store


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def format_of(url: str) -> tuple[Any, ...]:
    return query(url, "SELECT format, readable_by FROM tasker_meta")[0]


@pytest.fixture
def old_url(postgres_url: str) -> str:  # noqa: F811 - that is how fixtures are asked for
    """The URL of a database whose tables are of format 1, with one schedule that has run once, and one state."""
    execute(postgres_url, (FORMAT_1 / "tables.sql").read_text())
    with old_program(postgres_url) as old:
        old.register("old")
        old.run_once("old")
    return postgres_url


def test_an_older_program_s_rows_stay_as_they_are_and_count_as_registered_just_now(old_url: str) -> None:
    facts = "SELECT decided, definition, defined, ended, runs, failures, token, last_outcome FROM tasker_schedule"
    before = query(old_url, facts)
    with opened(old_url) as store:
        first = store.poll(0).now
        (state,) = store.states()
        assert first - TTL < state.registered <= first
        assert store.purge(first - TTL).ids == frozenset()
        assert sorted(record.retries for record in store.history("old", 10)) == [0, 0]
    assert query(old_url, facts) == before
    assert format_of(old_url) == (2, 1)


def test_no_row_is_rewritten(old_url: str) -> None:
    files = "SELECT relname, relfilenode FROM pg_class WHERE relname IN ('tasker_schedule', 'tasker_run') ORDER BY 1"
    before = query(old_url, files)
    with opened(old_url) as store:
        store.states()
    assert query(old_url, files) == before


@pytest.mark.slow
def test_ten_processes_that_start_at_once_bring_the_tables_up_to_date_once(old_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_AT_A_SIGNAL, old_url, f"owner {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(10)
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
            assert (process.returncode, output, errors) == (0, "[('new', 0), ('old', 1)]\n", "")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert format_of(old_url) == (2, 1)
    with opened(old_url) as store:
        assert len(store.instances()) == 10


def test_a_program_of_format_1_goes_on_beside_newer_ones(old_url: str) -> None:
    with old_program(old_url) as old, opened(old_url) as store:
        store.register([Definition("new", "every minute")])
        # The older one makes, runs and describes schedules; the newer one reads them.
        old.register("made by the old")
        before = store.poll(0).now - TTL
        old.register("old", "every hour")
        for id in ("old", "new", "made by the old"):
            old.run_once(id)
        states = {state.id: state for state in store.states()}
        assert {id: state.runs for id, state in states.items()} == {"old": 2, "new": 1, "made by the old": 1}
        assert states["old"].definition == "every hour"
        assert all(state.registered > before for state in states.values()), "purge would take them for forgotten"
        assert sorted((r.outcome, r.error, r.retries) for r in store.history("new", 10)) == [
            (Outcome.FAILED, "why", 0),
            (Outcome.SKIPPED, None, 0),
        ]
        # And the other way round.
        slot = states["made by the old"].decided + 1
        (grant,) = store.claim("A", TTL, 1, [Proposal("made by the old", slot)]).grants
        ending = Ending(id=grant.id, token=grant.token, outcome=Outcome.SUCCEEDED, through=slot, retries=2)
        assert store.finish("A", [ending]).answers[grant.id] == "recorded"
        store.control(Action.PAUSE, ["new"])
        assert [row[3] for row in old.run("poll", 0, 10)] == ["new"]
        assert [row[3] for row in old.run("history", "made by the old", 10)] == ["succeeded", "skipped", "failed"]


def test_a_repository_of_format_1_goes_on_beside_newer_ones(old_url: str) -> None:
    def values(id: str, token: int) -> list[object]:
        return [id, 5, "daily", 4, None, None, None, 0, 0, token, None, None, None, False, 0, None, None, None, None, 1]

    with old_program(old_url) as old, closing(Repository(old_url)) as repository:
        old.run("state_create", *values("job", 7))
        found = repository.find_by_id("job")
        assert found == ScheduleState(id="job", decided=5, definition="daily", defined=4, token=7)
        repository.update(ScheduleState(id="job", decided=6, registered=3, token=8))
        assert old.run("state_find", "job")[0][:2] == ("job", 6)
        assert old.run("state_update", *values("job", 7)) == []
        assert old.run("state_update", *values("job", 9)) == [(9,)]
        with pytest.raises(StaleToken):
            repository.update(ScheduleState(id="job", decided=6, token=8))


def test_without_migrate_old_tables_are_refused_with_what_to_do(old_url: str) -> None:
    with opened(old_url, migrate=False) as store:
        with pytest.raises(TaskerError) as caught:
            store.states()
        assert not isinstance(caught.value, StoreUnavailable)
        assert str(caught.value) == (
            "the tables of tasker in the schema 'public' are of format 1, this version needs 2, and migrate=False: "
            "run the SQL from tasker.store.postgresql.schema_sql('public', since=1) as their owner"
        )
        assert format_of(old_url) == (1, 1)
        execute(old_url, schema_sql("public", since=1))
        assert [state.id for state in store.states()] == ["old"]


def test_the_sql_of_what_is_missing_is_the_end_of_all_of_it() -> None:
    everything, missing = schema_sql("jobs"), schema_sql("jobs", since=1)
    assert everything.endswith(missing)
    assert "CREATE TABLE" in everything.removesuffix(missing)
    assert 'ALTER TABLE "jobs".tasker_schedule' in missing
    assert "DROP" not in everything
    assert schema_sql(since=_schema.FORMAT) == ""


@pytest.mark.parametrize("since", [-1, 3, 99])
def test_a_format_that_never_was_is_refused(since: int) -> None:
    with pytest.raises(ValueError, match=f"since: expected a format of the tables from 0 to 2, got {since}"):
        schema_sql(since=since)


@pytest.mark.parametrize("since", ["1", None, True, 1.0])
def test_what_is_no_format_is_refused(since: Any) -> None:
    with pytest.raises(TypeError, match="since: expected a whole number"):
        schema_sql(since=since)


@pytest.mark.parametrize(("schema", "error"), [("", ValueError), ("a\0b", ValueError), (7, TypeError)])
def test_what_is_no_name_of_a_schema_is_refused(schema: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="schema: expected"):
        schema_sql(schema)


def test_any_name_of_a_schema_is_quoted(postgres_url: str) -> None:  # noqa: F811
    strange = """a "b"; DROP TABLE 'x'"""
    execute(postgres_url, 'CREATE SCHEMA "a ""b""; DROP TABLE \'x\'"', schema_sql(strange))
    assert query(postgres_url, "SELECT schemaname FROM pg_tables WHERE tablename = 'tasker_state'") == [(strange,)]


def test_a_migration_that_was_released_never_changes() -> None:
    digests = [hashlib.sha256("\n".join(migration).encode()).hexdigest()[:16] for migration in _schema._MIGRATIONS]
    assert digests == ["3ba9ae7ca1e5c882", "7a87686e59c852c8"]


def test_an_update_waits_but_briefly_for_who_reads_and_comes_with_a_later_call(old_url: str) -> None:
    with psycopg.connect(old_url) as backup, old_program(old_url) as old, opened(old_url, call_limit=10) as store:
        backup.execute("LOCK TABLE tasker_schedule IN ACCESS SHARE MODE")
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="cannot be brought up to date just now"):
            store.states()
        assert time.monotonic() - begun < 5, "instances that run would have queued up behind it"
        old.run_once("old")
        assert format_of(old_url) == (1, 1)
        backup.rollback()
        assert [state.id for state in store.states()] == ["old"]


def test_an_update_waits_no_longer_than_a_call_for_who_updates(old_url: str) -> None:
    with psycopg.connect(old_url) as other, opened(old_url, call_limit=0.3) as store:
        other.execute(f"SELECT pg_advisory_xact_lock({_schema._LOCK})".encode())
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.states()
        assert time.monotonic() - begun < 5
        other.rollback()
        store.call_limit = 10
        assert len(store.states()) == 1


def test_an_update_that_fails_leaves_the_tables_as_they_were(old_url: str) -> None:
    execute(old_url, "CREATE TABLE tasker_instance (mine text)")
    with opened(old_url) as store, pytest.raises(TaskerError, match=r"\"tasker_instance\"") as caught:
        store.states()
    assert not isinstance(caught.value, StoreUnavailable)
    assert format_of(old_url) == (1, 1)
    with old_program(old_url) as old:
        old.run_once("old")


def test_a_role_that_does_not_own_the_tables_is_told_who_must_update_them(old_url: str) -> None:
    execute(old_url, "CREATE ROLE guest LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
    try:
        with opened(old_url.replace("tasker@", "guest@")) as store, pytest.raises(TaskerError) as caught:
            store.states()
    finally:
        execute(old_url, "DROP OWNED BY guest", "DROP ROLE guest")
    assert not isinstance(caught.value, StoreUnavailable)
    assert "must be owner of table tasker_schedule" in str(caught.value)
    assert "schema_sql('public', since=1) as their owner" in str(caught.value)
    assert format_of(old_url) == (1, 1)


def test_an_overview_that_somebody_reads_has_one_more_column(old_url: str) -> None:
    execute(old_url, "CREATE VIEW mine AS SELECT id, next_slot FROM tasker_overview")
    with opened(old_url) as store:
        store.states()
    assert query(old_url, "SELECT id FROM mine") == [("old",)]
    assert query(old_url, "SELECT registered > now() - interval '1 hour' FROM tasker_overview") == [(True,)]
