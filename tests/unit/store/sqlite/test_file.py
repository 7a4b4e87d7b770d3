from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Held, Proposal, ScheduleState
from tasker.store.sqlite import LockerFactory, Repository, Store

JOB = Definition("job", "every second")


@pytest.mark.parametrize("path", [None, 5, b"tasker.db"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(TypeError, match="path: expected"):
        Store(path)


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_database_that_only_one_connection_can_see_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path: expected the path of a file"):
        Store(path)


@pytest.mark.parametrize("kind", [Store, Repository, LockerFactory])
def test_a_library_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(TaskerError, match=r"needs SQLite 3\.35 or later, this is 3\.34\.1") as caught:
        kind("tasker.db")
    assert not isinstance(caught.value, StoreUnavailable)


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "a;b", "1a", "\u00e4", "x" * 64, "a\n", "a\0"])
def test_a_namespace_that_is_no_identifier_is_refused(name: str) -> None:
    for kind in (Store, Repository, LockerFactory):
        with pytest.raises(ValueError, match="namespace: expected an identifier"):
            kind("tasker.db", namespace=name)


@pytest.mark.parametrize("name", [7, None, b"name"])
def test_a_namespace_that_is_no_string_is_refused(name: Any) -> None:
    for kind in (Store, Repository, LockerFactory):
        with pytest.raises(TypeError, match="namespace: expected a string, got "):
            kind("tasker.db", namespace=name)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_call_limit_that_makes_no_sense_is_refused(limit: float) -> None:
    for kind in (Store, Repository):
        with pytest.raises(ValueError, match="call_limit"):
            kind("tasker.db", call_limit=limit)


def test_an_id_with_a_nul_is_an_id_like_others(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "tasker.db")) as store:
        ids = ["a", "a\0", "a\0b", "a\0c"]
        decided = store.register([Definition(id, "every second") for id in ids]).states[0].decided
        assert [state.id for state in store.states()] == ids
        while store.poll(0).now <= decided:
            pass
        assert [grant.id for grant in store.claim("a", 1, 1, [Proposal("a\0b", decided + 1)]).grants] == ["a\0b"]


def test_an_id_that_has_no_bytes_is_refused_for_good_and_the_store_goes_on(tmp_path: Path) -> None:
    calls: list[Callable[[Store], object]] = [
        lambda store: store.register([Definition("a\ud800", "every second")]),
        lambda store: store.states(["a\ud800"]),
        lambda store: store.renew("a", 1, [Held("a\ud800", 1)], 1),
        lambda store: store.acquire("a", 1, ["a\ud800"]),
        lambda store: store.beat("a\ud800", "worker", "1"),
    ]
    with closing(Store(tmp_path / "tasker.db")) as store:
        for call in calls:
            with pytest.raises(TaskerError, match="surrogates not allowed") as caught:
                call(store)
            assert not isinstance(caught.value, StoreUnavailable)
            assert store.states() == ()


def test_texts_for_people_are_stored_whatever_is_in_them(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "tasker.db")) as store:
        store.register([Definition("job", "every\0 \ud800")])
        assert store.register([Definition("job", "every\0 \ud800")]).states[0].definition == "every\\x00 \\ud800"
        store.beat("me", "a\0b", "1\ud800")
        assert [(each.name, each.version) for each in store.instances()] == [("a\\x00b", "1\\ud800")]
    with closing(Repository(tmp_path / "tasker.db")) as repository:
        repository.create(ScheduleState(id="job", decided=1, definition="\ud800"))
        repository.update(ScheduleState(id="job", decided=2, definition="\ud801"))
        assert repository.find_by_id("job") == ScheduleState(id="job", decided=2, definition="\\ud801")


def test_making_a_store_does_not_touch_the_disk(tmp_path: Path) -> None:
    Store(tmp_path / "tasker.db").close()
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_that_of_the_time_when_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(Store("tasker.db")) as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.register([JOB])
    assert (tmp_path / "tasker.db").is_file()


def test_a_closed_store_opens_again_when_it_is_used(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "tasker.db")) as store:
        store.register([JOB])
        store.close()
        store.close()
        assert [state.id for state in store.states()] == ["job"]


def test_what_was_written_survives_the_process_and_a_power_cut(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "tasker.db")) as store:
        store.register([JOB])
        database = store._file.work._database
        assert database is not None
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_namespaces_of_one_file_never_meet(tmp_path: Path) -> None:
    one, other = (Store(tmp_path / "tasker.db", namespace=name) for name in ("one", "other"))
    with closing(one), closing(other):
        one.register([JOB])
        other.register([JOB])
        one.control(Action.PAUSE, None)
        assert [state.paused for state in other.states()] == [None]
        assert (one.poll(0).epoch, other.poll(0).epoch) == (1, 0)
        assert (
            len(one.acquire("a", 1_000_000, ["key"]).grants) == len(other.acquire("b", 1_000_000, ["key"]).grants) == 1
        )
    first, second = (Repository(tmp_path / "tasker.db", namespace=name) for name in ("one", "other"))
    with closing(first), closing(second):
        first.create(ScheduleState(id="job", decided=1))
        assert second.find_by_id("job") is None


@pytest.mark.parametrize(
    "table", ["tasker_meta", "tasker_schedule", "tasker_run", "tasker_lock", "tasker_state", "tasker_instance"]
)
def test_a_table_of_somebody_else_is_refused_by_name(tmp_path: Path, table: str) -> None:
    path = tmp_path / "tasker.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE {table} (namespace TEXT, price REAL)")
    with (
        closing(Store(path)) as store,
        pytest.raises(TaskerError, match=f"the table {table} is not tasker's") as caught,
    ):
        store.register([JOB])
    assert not isinstance(caught.value, StoreUnavailable)


def test_columns_that_a_newer_version_added_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "tasker.db"
    with closing(Store(path)) as store:
        store.register([JOB])
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("ALTER TABLE tasker_schedule ADD COLUMN color TEXT DEFAULT 'none'")
            database.execute("UPDATE tasker_schedule SET color = 'green'")
        store.control(Action.PAUSE, None)
        store.register([Definition("later", "every second")])
    with closing(Store(path)) as store, closing(sqlite3.connect(path)) as database:
        assert store.states(["job"])[0].paused is not None
        assert database.execute("SELECT id, color FROM tasker_schedule ORDER BY id").fetchall() == [
            ("job", "green"),
            ("later", "none"),
        ]


def test_other_tables_of_the_file_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tasker.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (name TEXT)")
        database.execute("INSERT INTO customers VALUES ('Ada')")
    with closing(Store(path)) as store, closing(sqlite3.connect(path)) as database:
        store.register([JOB])
        assert database.execute("SELECT name FROM customers").fetchall() == [("Ada",)]
