"""The tables of the MySQL store: made by themselves, once, and left alone where they are not ours."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pymysql
import pytest

from tasker import Context
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import FORMAT, UNREADABLE, Action, Definition, Ending, Grant, Held, Outcome, Proposal, ScheduleState
from tasker.store.mysql import LockerFactory, Repository, Store, schema_sql
from tests._support.mariadb_server import MariadbServer, mariadb_server, run  # noqa: F401 - a fixture

TTL = 60_000_000
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "mysql.md"
TABLES = ["bell", "instance", "lock", "meta", "run", "schedule", "state"]

REGISTER_AT_A_SIGNAL = """
import sys
from tasker.ports import Definition
from tasker.store.mysql import Store
store = Store(sys.argv[1], call_limit=20)
print("ready", flush=True)
sys.stdin.readline()
states = store.register([Definition(f"job {number}", "every second") for number in range(20)]).states
print(len(states), flush=True)
store.close()
"""


class Place:
    """A database of the test's own, and its administrator."""

    def __init__(self, server: MariadbServer, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url(name)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.server.execute(*statements, database=self.name)

    def tables(self, database: str = "") -> list[str]:
        schema = database or self.name
        rows = self.execute(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}' "
            "AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        return [str(name) for (name,) in rows]

    @contextmanager
    def user(self, *grants: str) -> Iterator[str]:
        """Make a user with nothing but these privileges, and give its URL."""
        self.execute("CREATE USER plain", *grants)
        try:
            yield self.server.url(self.name, user="plain")
        finally:
            self.execute("DROP USER plain")


@pytest.fixture
def place(mariadb_server: MariadbServer) -> Iterator[Place]:  # noqa: F811 - that is how fixtures are asked for
    with mariadb_server.database() as name:
        yield Place(mariadb_server, name)


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Store]:
    with closing(Store(url, **options)) as store:
        yield store


def register(store: Store) -> int:
    return len(store.register([Definition("job", "every second")]).states)


def take(store: Store, id: str = "job") -> Grant:
    now = store.register([Definition(id, "every second")]).now
    (grant,) = store.claim("A", TTL, 1, [Proposal(id, now)]).grants
    return grant


def documented_grants(database: str, user: str) -> list[str]:
    """Return the statements of the guide, for another database and user."""
    found = re.findall(r"^GRANT .*;$", GUIDE.read_text(), re.MULTILINE)
    assert len(found) == len(TABLES)
    return [line.replace(" app.", f" {database}.").replace(" TO app;", f" TO {user}") for line in found]


def use_everything(store: Store) -> None:
    grant = take(store)
    assert store.renew("A", TTL, [Held("job", grant.token)], 1).kept == {"job"}
    ending = Ending(id="job", token=grant.token, outcome=Outcome.INTERRUPTED, through=None)
    assert store.finish("A", [ending]).answers["job"] == "recorded"
    grant = take(store)
    assert store.release("A", [Held("job", grant.token)]).ids == {"job"}
    assert store.control(Action.RESUME, None).ids == {"job"}
    (lock,) = store.acquire("A", TTL, ["key"]).grants
    assert store.extend("A", TTL, [Held("key", lock.token)], 1).kept == {"key"}
    assert store.free("A", [Held("key", lock.token)]).ids == {"key"}
    assert store.trim(["job"], 0, 0) == 1
    store.beat("A", "name", "1")
    assert store.drain(["A"], draining=True).ids == {"A"}
    assert store.leave(["A"]).ids == {"A"}
    assert store.purge(store.poll(0).now + 1).ids == {"job"}


# --- made ---


@pytest.mark.slow
def test_ten_processes_that_start_at_once_make_the_tables_once(place: Place) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER_AT_A_SIGNAL, place.url],
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
    assert place.execute("SELECT COUNT(*) FROM tasker_schedule") == [(20,)]
    assert place.execute("SELECT format, readable_by FROM tasker_meta") == [(1, 1)]


def test_reading_makes_the_tables_too(place: Place) -> None:
    with opened(place.url) as store:
        assert store.states() == ()
    assert place.tables() == [f"tasker_{name}" for name in TABLES]


def test_without_migrate_nothing_is_made(place: Place) -> None:
    with opened(place.url, migrate=False) as store:
        with pytest.raises(TaskerError, match=rf"missing in the database '{place.name}', .*schema_sql\('") as caught:
            register(store)
        assert not isinstance(caught.value, StoreUnavailable)
        assert place.tables() == []
        place.execute(*split(schema_sql()))
        assert register(store) == 1


def split(sql: str) -> list[str]:
    return [statement for statement in sql.split(";\n") if statement]


def test_sql_for_a_database_makes_the_tables_in_it(place: Place) -> None:
    with place.server.database() as other:
        place.execute(*split(schema_sql(other)))
        assert place.tables() == []
        assert len(place.tables(other)) == len(TABLES)
        with opened(place.url, database=other, migrate=False) as store:
            use_everything(store)


def test_a_database_that_was_asked_for_and_is_missing_is_made(place: Place) -> None:
    other = f"{place.name}_Own"
    try:
        with opened(place.url, database=other) as store:
            use_everything(store)
        assert place.tables() == []
        assert len(place.tables(other)) == len(TABLES)
    finally:
        place.execute(f"DROP DATABASE IF EXISTS {other}")


def test_a_url_without_a_database_will_do_if_the_argument_names_one(place: Place) -> None:
    with opened(place.server.url(), database=place.name) as store:
        use_everything(store)


def test_tables_that_were_begun_are_completed(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    place.execute("DELETE FROM tasker_meta", "DROP TABLE tasker_run", "DROP VIEW tasker_overview")
    with opened(place.url) as store:
        use_everything(store)
    assert place.execute("SELECT COUNT(*) FROM tasker_overview") == [(0,)]


def test_while_another_instance_makes_the_tables_the_store_is_not_available(place: Place) -> None:
    with closing(place.server.connect()) as other:
        assert run(other, "SELECT GET_LOCK('tasker', 0)") == [(1,)]
        with opened(place.url, call_limit=1) as store, pytest.raises(StoreUnavailable, match="another instance"):
            register(store)
        run(other, "SELECT RELEASE_LOCK('tasker')")
    with opened(place.url) as store:
        assert register(store) == 1
    assert place.execute("SELECT IS_USED_LOCK('tasker')") == [(None,)]


def test_tables_that_vanish_are_made_again(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
        place.execute(*(f"DROP TABLE tasker_{name}" for name in TABLES), "DROP VIEW tasker_overview")
        with pytest.raises(StoreUnavailable, match="the tables of tasker are gone"):
            store.states()
        assert register(store) == 1


def test_a_database_that_does_not_exist_is_said_to_be_missing(place: Place) -> None:
    url = place.server.url("t_nowhere")
    with opened(url) as store, pytest.raises(StoreUnavailable, match=r"database does not exist: .*'t_nowhere'.*create"):
        register(store)


# --- allowed ---


def test_the_documented_privileges_are_enough_where_the_tables_exist(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    with place.user(*documented_grants(place.name, "plain")) as url:
        with opened(url) as store:
            use_everything(store)
        with closing(Repository(url)) as repository:
            repository.create(ScheduleState(id="job", decided=1))
            repository.update(ScheduleState(id="job", decided=2, token=1))
            repository.delete_by_id("job")


def test_whoever_only_locks_needs_only_the_locks(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    grants = [line for line in documented_grants(place.name, "plain") if "_lock" in line or "_meta" in line]
    with (
        place.user(*grants) as url,
        closing(LockerFactory(url)) as factory,
        factory.locker_for("key").try_lock(Context.background()) as locked,
    ):
        assert locked is not None


def test_whoever_only_reads_needs_only_to_read(place: Place) -> None:
    with opened(place.url) as store:
        take(store)
    with place.user(f"GRANT SELECT ON {place.name}.* TO plain") as url, opened(url) as store:
        assert [state.id for state in store.states()] == ["job"]
        assert store.history("job", 1) == ()
        assert store.instances() == ()
        assert store.poll(0).states == ()


def test_a_missing_privilege_is_reported_before_the_first_change(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    grants = [f"GRANT SELECT, INSERT, UPDATE ON {place.name}.tasker_{name} TO plain" for name in TABLES]
    with place.user(*grants) as url, opened(url) as store, pytest.raises(TaskerError) as caught:
        store.register([Definition("other", "every second")])
    assert not isinstance(caught.value, StoreUnavailable)
    assert (
        f"GRANT DELETE ON `{place.name}`.tasker_schedule TO …; GRANT DELETE ON `{place.name}`.tasker_run TO …; "
        f"GRANT DELETE ON `{place.name}`.tasker_instance TO … (DELETE command denied to user 'plain'"
    ) in str(caught.value)
    assert place.execute("SELECT COUNT(*) FROM tasker_schedule") == [(1,)]


def test_a_user_who_may_create_nothing_is_told_what_to_do(place: Place) -> None:
    with (
        place.user(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {place.name}.* TO plain") as url,
        opened(url) as store,
        pytest.raises(TaskerError) as caught,
    ):
        register(store)
    assert not isinstance(caught.value, StoreUnavailable)
    assert f"may not make the tables of tasker in the database '{place.name}' (CREATE command denied" in str(
        caught.value
    )
    assert f"schema_sql('{place.name}')" in str(caught.value)


# --- not ours, or not of this version ---


def test_a_table_of_another_program_is_left_as_it_is(place: Place) -> None:
    place.execute("CREATE TABLE tasker_schedule (mine TEXT)")
    with opened(place.url) as store, pytest.raises(TaskerError, match="has a name that tasker uses, tasker_schedule"):
        register(store)
    assert place.execute("SHOW COLUMNS FROM tasker_schedule")[0][0] == "mine"
    assert place.tables() == ["tasker_schedule"]


def test_a_table_with_other_columns_is_reported(place: Place) -> None:
    place.execute("CREATE TABLE tasker_meta (something TEXT)")
    with opened(place.url) as store, pytest.raises(TaskerError, match="not tasker's") as caught:
        register(store)
    assert not isinstance(caught.value, StoreUnavailable)


def test_tables_of_a_newer_version_that_this_one_can_read_are_used(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    place.execute("UPDATE tasker_meta SET format = 9", "ALTER TABLE tasker_schedule ADD COLUMN more INT DEFAULT 1")
    with opened(place.url) as store:
        use_everything(store)
    assert place.execute("SELECT format FROM tasker_meta") == [(9,)]


def test_tables_of_a_newer_version_that_this_one_cannot_read_are_refused(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
    place.execute("UPDATE tasker_meta SET format = 9, readable_by = 9")
    with opened(place.url) as store, pytest.raises(TaskerError, match=r"are of format 9; .* update tasker"):
        register(store)


def test_an_outcome_of_a_newer_version_harms_nothing(place: Place) -> None:
    with opened(place.url) as store:
        grant = take(store)
        store.finish(
            "A", [Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=grant.slot, error="why")]
        )
        place.execute("UPDATE tasker_schedule SET last_outcome = 'new'", "UPDATE tasker_run SET outcome = 'new'")
        assert store.states()[0].last_outcome is None
        assert store.history("job", 10) == ()


def test_a_row_whose_id_is_no_text_is_shown_as_unreadable_and_left_alone(place: Place) -> None:
    with opened(place.url) as store:
        register(store)
        place.execute(
            "INSERT INTO tasker_schedule (namespace, id, decided, defined, definition) VALUES ('', x'6aff', 1, 1, 'x')"
        )
        before = place.execute("SELECT * FROM tasker_schedule WHERE id = x'6aff'")
        spoilt = store.states()[1]
        assert (spoilt.id, spoilt.format) == ("j\\xff", UNREADABLE)
        for action in Action:
            assert store.control(action, None).ids == {"job"}
        assert store.purge(store.poll(0).now + 1).ids == {"job"}
        assert place.execute("SELECT * FROM tasker_schedule WHERE id = x'6aff'") == before


@pytest.mark.parametrize("version", [0, -1, FORMAT + 1])
def test_a_row_of_another_format_is_left_alone_by_everything(place: Place, version: int) -> None:
    with opened(place.url) as store:
        take(store)
        place.execute(f"UPDATE tasker_schedule SET format = {version}, registered = 0, lease_until = 1")
        before = place.execute("SELECT * FROM tasker_schedule")
        token = place.execute("SELECT token FROM tasker_schedule")[0][0]
        now = store.register([Definition("job", "another")]).now
        assert store.claim("B", TTL, 1, [Proposal("job", now)]).grants == ()
        assert store.renew("A", TTL, [Held("job", token)], 1).kept == frozenset()
        ending = Ending(id="job", token=token, outcome=Outcome.SUCCEEDED, through=now)
        assert store.finish("A", [ending]).answers == {"job": "lost"}
        assert store.release("A", [Held("job", token)]).ids == frozenset()
        for action in Action:
            assert store.control(action, ["job"]).ids == frozenset()
            assert store.control(action, None).ids == frozenset()
        assert store.purge(now).ids == frozenset()
        assert place.execute("SELECT * FROM tasker_schedule") == before


# --- what is in them ---


def test_namespaces_do_not_see_each_other(place: Place) -> None:
    with opened(place.url, namespace="a") as a, opened(place.url, namespace="b") as b:
        grant = take(a)
        b.register([Definition("job", "every second")])
        assert b.renew("A", TTL, [Held("job", grant.token)], 1).kept == frozenset()
        assert b.states(["job"])[0].owner is None
        a.control(Action.PAUSE, None)
        assert b.states(["job"])[0].paused is None
        assert b.poll(0).states == ()
        assert len(a.acquire("A", TTL, ["key"]).grants) == 1
        assert len(b.acquire("B", TTL, ["key"]).grants) == 1
        a.beat("A", "a", "1")
        assert b.instances() == ()
        assert b.purge(b.poll(0).now + 1).ids == {"job"}
        assert [state.id for state in a.states()] == ["job"]


def test_an_id_of_255_characters_of_any_kind_is_taken_and_a_longer_one_is_refused_for_good(place: Place) -> None:
    longest = "\U0001f680" * 255
    with opened(place.url) as store:
        store.register([Definition(longest, "every second"), Definition(f"{longest[:-1]}x", "every second")])
        assert {state.id for state in store.states()} == {longest, f"{longest[:-1]}x"}
        assert take(store, longest).id == longest
        with pytest.raises(TaskerError, match="id: expected at most 1020 bytes in UTF-8, got 1021") as caught:
            store.states([f"{longest}x"])
        assert not isinstance(caught.value, StoreUnavailable)


def test_256_errors_of_8000_characters_are_recorded_in_one_call(place: Place) -> None:
    ids = [f"job {number}" for number in range(256)]
    error = "\U0001f680" * 7_999 + "'"
    with opened(place.url, call_limit=30) as store:
        now = store.register([Definition(id, "every second") for id in ids]).now
        grants = store.claim("A", TTL, 256, [Proposal(id, now) for id in ids]).grants
        endings = [Ending(id=g.id, token=g.token, outcome=Outcome.FAILED, through=g.slot, error=error) for g in grants]
        assert set(store.finish("A", endings).answers.values()) == {"recorded"}
        assert store.history(ids[-1], 1)[0].error == error


def test_an_error_with_a_nul_or_a_lone_surrogate_is_recorded(place: Place) -> None:
    with opened(place.url) as store:
        grant = take(store)
        ending = Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=grant.slot, error="a\0b\ud800 'é")
        assert store.finish("A", [ending]).answers["job"] == "recorded"
        assert store.history("job", 1)[0].error == "a\0b\\ud800 'é"


def test_what_the_server_would_cut_is_refused_for_good(place: Place) -> None:
    with opened(place.url) as store:
        grant = take(store)
        for call in (
            lambda: store.states(["a\ud800"]),
            lambda: store.claim("A" * 256, TTL, 1, []),
            lambda: store.claim("A", TTL, 1, [Proposal("job", 2**63)]),
            lambda: store.finish(
                "A", [Ending(id="job", token=grant.token, outcome=Outcome.FAILED, through=-(2**63) - 1)]
            ),
        ):
            with pytest.raises(TaskerError, match="expected") as caught:
                call()
            assert not isinstance(caught.value, StoreUnavailable)
        assert store.states()[0].owner == "A"


def test_the_overview_has_dates_for_people_in_utc(place: Place) -> None:
    with opened(place.url) as store:
        store.register([Definition("jöb", "yearly", next_slot=4_102_444_799_999_999)])
    with closing(place.server.connect(place.name)) as connection:
        rows = run(
            connection,
            "SET time_zone = '+05:30'",
            "SELECT id, CAST(next_slot AS CHAR), ABS(TIMESTAMPDIFF(SECOND, decided, UTC_TIMESTAMP())) < 60, ended "
            "FROM tasker_overview",
        )
    assert rows == [("jöb", "2099-12-31 23:59:59.999999", 1, None)]


def test_the_clock_is_that_of_the_server_in_utc_whatever_the_time_zone(place: Place) -> None:
    ((before,),) = place.execute("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
    try:
        place.execute("SET GLOBAL time_zone = '-09:30'")
        with opened(place.url) as store:
            now = store.poll(0).now
    finally:
        place.execute("SET GLOBAL time_zone = SYSTEM")
    ((after,),) = place.execute("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
    assert before <= now <= after


def test_a_schedule_costs_less_than_600_bytes(place: Place) -> None:
    with opened(place.url) as store:
        store.register([Definition(f"maintenance {n}", "every day at 12:00 in Europe/Berlin") for n in range(3_000)])
    place.execute("ANALYZE TABLE tasker_schedule")
    ((size,),) = place.execute(
        "SELECT data_length + index_length FROM information_schema.tables "
        f"WHERE table_schema = '{place.name}' AND table_name = 'tasker_schedule'"
    )
    assert size / 3_000 < 600


def test_pages_of_all_rows_and_of_all_that_were_rung_are_complete(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {f"job {number:03}" for number in range(25)}
    monkeypatch.setattr("tasker.store.mysql._store._READ_AT_MOST", 10)
    monkeypatch.setattr("tasker.store.mysql._store.AT_MOST", 10)
    with opened(place.url) as store:
        store.register([Definition(id, "every second") for id in sorted(ids)])
        assert [state.id for state in store.states()] == sorted(ids)
        assert store.control(Action.PAUSE, None).ids == ids
        assert {state.id for state in store.poll(0).states} == ids
        before = store.poll(0).epoch
        assert store.control(Action.TRIGGER, sorted(ids)).ids == ids
        assert {state.id for state in store.poll(before).states} == ids


def test_a_schedule_is_purged_only_with_all_of_its_records(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasker.store.mysql._store._DELETE_AT_MOST", 3)
    with opened(place.url) as store:
        for id in ("a", "b", "c"):
            for _ in range(5):
                grant = take(store, id)
                store.finish("A", [Ending(id=id, token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)])
        before = store.poll(0).now
        with monkeypatch.context() as hurry:  # so that there is time for one packet only
            hurry.setattr("tasker.store.mysql._store.time", SimpleNamespace(monotonic=iter((0.0, 100.0)).__next__))
            with pytest.raises(StoreUnavailable, match="deleting the history of a schedule takes longer than 3 s"):
                store.purge(before)
        assert [state.id for state in store.states()] == ["a", "b", "c"]
        assert len(store.history("a", 10)) == 2
        assert store.purge(before).ids == {"a", "b", "c"}
    assert place.execute("SELECT COUNT(*) FROM tasker_run") == [(0,)]


def test_an_ending_that_is_not_recorded_rings_no_bell_for_those_beside_it(place: Place) -> None:
    with opened(place.url) as store:
        grants = [take(store, id) for id in ("a", "b")]
        store.release("A", [Held("b", grants[1].token)])
        epoch = store.poll(0).epoch
        recorded = Ending(id="a", token=grants[0].token, outcome=Outcome.SUCCEEDED, through=grants[0].slot)
        lost = Ending(id="b", token=grants[1].token, outcome=Outcome.INTERRUPTED, through=None)
        assert store.finish("A", [recorded, lost]).answers == {"a": "recorded", "b": "lost"}
        assert store.poll(0).epoch == epoch


def test_a_binary_log_of_statements_is_reported_with_what_to_do() -> None:
    with MariadbServer(settings={"log-bin": "log", "binlog-format": "STATEMENT"}) as server:
        server.execute("CREATE DATABASE t")
        with opened(server.url("t")) as store, pytest.raises(TaskerError, match="must be ROW or MIXED") as caught:
            register(store)
        assert not isinstance(caught.value, StoreUnavailable)
        server.execute("SET GLOBAL binlog_format = MIXED")
        with opened(server.url("t")) as store:
            use_everything(store)


def test_pymysql_is_new_enough() -> None:
    assert pymysql.VERSION >= (1, 2)
