"""Deleting schedules in SQLite: in pieces that hold nobody up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasker.errors import StoreUnavailable
from tasker.ports import Action, Definition
from tasker.store.sqlite import Store, _store

FAR = 2**60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasker.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as made:
        made.register([Definition(id, "every second") for id in "abc"])
        yield made


def add_records(path: Path, id: str, count: int) -> None:
    columns = "namespace, id, at, slot, outcome, manual, attempt, token"
    sql = f"INSERT INTO tasker_run ({columns}) VALUES ('', ?, ?, 1, ?, 0, 0, 0)"
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(sql, ((id, number, "skipped") for number in range(count)))


def records_left(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT id, count(*) FROM tasker_run GROUP BY id"))


@pytest.mark.parametrize("count", [7, 99, 100, 101, 200, 1_234])
def test_a_long_history_goes_in_pieces_and_with_its_row(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 100)
    for id in "ab":
        add_records(path, id, count)
    assert store.purge(FAR).ids == set("abc")
    assert store.states() == ()
    assert records_left(path) == {}


def test_what_there_is_no_time_for_goes_with_later_calls(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_store, "_DELETE_AT_MOST", 1)
    add_records(path, "b", 2_000)
    store.call_limit = 0.02
    assert store.purge(FAR).ids == {"a"}
    with pytest.raises(StoreUnavailable, match="takes longer than"):
        store.purge(FAR)
    assert 0 < records_left(path)["b"] < 2_000
    assert [state.id for state in store.states()] == ["b", "c"], "a row stays as long as it has records"
    monkeypatch.undo()
    store.call_limit = 3
    assert store.purge(FAR).ids == {"b", "c"}
    assert records_left(path) == {}


def test_rows_and_instances_of_other_namespaces_stay(store: Store, path: Path) -> None:
    with closing(Store(path, namespace="other")) as other:
        other.register([Definition("a", "every second")])
        other.beat("owner", "worker", "1")
        assert store.purge(FAR).ids == set("abc")
        assert store.leave(["owner"]).ids == store.drain(["owner"], draining=True).ids == frozenset()
        assert [state.id for state in other.states()] == ["a"]
        assert [instance.is_draining for instance in other.instances()] == [False]


def test_a_bell_that_was_rung_for_a_deleted_row_is_silent(store: Store) -> None:
    store.control(Action.TRIGGER, None)
    assert store.purge(FAR).ids == set("abc")
    assert store.poll(0).states == ()
