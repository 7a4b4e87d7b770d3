"""Files that an older version made: brought up to date by whoever comes first, and of use to that older version."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Ending, Outcome, Proposal, ScheduleState
from tasker.store.sqlite import Repository, Store

FORMAT_1 = Path(__file__).parent / "format_1" / "sqlite"
TTL = 60_000_000
THEN = 1_700_000_000_000_000
A_ROW = (THEN, "every second", THEN, None, None, None, 0, 0, 7, None, None, None, 0, 0, None, None, None, None, 1, 0, 0)
"""All columns of a row but namespace and id, as format 1 has them."""


class Old:
    """A program of format 1, as far as its statements go."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)

    def close(self) -> None:
        self._database.close()

    def run(self, name: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._database.execute((FORMAT_1 / f"{name}.sql").read_text(), ("", *parameters)).fetchall()

    def write(self, id: str, table: str = "tasker_schedule") -> None:
        self.run(f"upsert_{table}", id, *A_ROW)

    def record(self, id: str) -> None:
        self.run("insert_run", id, THEN, THEN, "failed", None, 1, None, 0, 1, THEN, "me", 7, "why")

    def read(self, table: str = "tasker_schedule") -> dict[str, tuple[Any, ...]]:
        return {id: facts for id, *facts in self.run(f"select_{table}")}  # type: ignore[misc]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose tables are of format 1, with one schedule that has run once, and one state."""
    made = tmp_path / "tasker.db"
    with closing(sqlite3.connect(made)) as database:
        database.executescript((FORMAT_1 / "tables.sql").read_text())
    with closing(Old(made)) as old:
        old.write("old")
        old.record("old")
        old.write("state", "tasker_state")
    return made


@pytest.fixture
def old(path: Path) -> Iterator[Old]:
    with closing(Old(path)) as program:
        yield program


def columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def test_an_older_program_s_rows_stay_as_they_are_and_count_as_registered_just_now(path: Path, old: Old) -> None:
    before = old.read()
    with closing(Store(path)) as store:
        first = store.poll(0).now
        (state,) = store.states()
        assert (state.id, state.decided, state.token) == ("old", THEN, 7)
        assert first - TTL < state.registered <= first
        assert store.purge(first - TTL).ids == frozenset()
        assert [(record.error, record.retries) for record in store.history("old", 9)] == [("why", 0)]
    with closing(Repository(path)) as repository:
        expected = ScheduleState(id="state", decided=THEN, definition="every second", defined=THEN, token=7)
        assert repository.find_by_id("state") == expected
    assert old.read() == before


def test_ten_that_start_at_once_bring_the_file_up_to_date_once(path: Path) -> None:
    stores = [Store(path, call_limit=30) for _ in range(10)]
    seen: list[Any] = []
    barrier = threading.Barrier(10)

    def start(store: Store) -> None:
        barrier.wait(30)
        try:
            seen.append(len(store.register([Definition("old", "every second"), Definition("new", "x")]).states))
        except BaseException as error:
            seen.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    assert seen == [2] * 10
    assert columns(path, "tasker_schedule").count("registered") == 1


def test_a_program_of_format_1_goes_on_beside_newer_ones(path: Path, old: Old) -> None:
    assert set(old.read()) == {"old"}  # its statements are prepared before the tables change
    with closing(Store(path)) as store:
        store.register([Definition("new", "every minute")])
        old.write("made by the old")
        old.record("made by the old")
        old.write("new")
        assert set(old.read()) == {"made by the old", "new", "old"}
        states = {state.id: state for state in store.states()}
        assert states["made by the old"].registered == 0
        assert states["new"].definition == "every second"
        assert states["new"].registered > THEN, "what an older program writes leaves the new columns as they are"
        assert [record.retries for record in store.history("made by the old", 9)] == [0]
        (grant,) = store.claim("A", TTL, 1, [Proposal("made by the old", THEN + 1)]).grants
        ending = Ending(id=grant.id, token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot, retries=2)
        assert store.finish("A", [ending]).answers[grant.id] == "recorded"
        store.control(Action.PAUSE, ["old"])
        assert [row[3] for row in old.run("select_run", "made by the old")] == ["failed", "succeeded"]
        assert old.read()["old"][-1] == 1
    with closing(Repository(path)) as repository:
        repository.update(ScheduleState(id="state", decided=1, registered=5, token=8))
        old.write("state", "tasker_state")
        assert old.read("tasker_state")["state"][0] == THEN


def test_a_row_of_an_older_program_is_purged_by_the_age_of_its_definition(path: Path, old: Old) -> None:
    with closing(Store(path)) as store:
        store.states()
        old.write("made by the old")
        assert store.purge(THEN).ids == frozenset()
        assert store.purge(THEN + 1).ids == {"made by the old"}


def test_a_file_that_is_up_to_date_is_not_written_when_it_is_opened(path: Path) -> None:
    with closing(Store(path)) as store:
        store.states()
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(Store(path, call_limit=0.05)) as store:
        other.execute("BEGIN IMMEDIATE")
        assert [state.id for state in store.states()] == ["old"]


def test_an_update_waits_no_longer_than_a_call(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(Store(path, call_limit=0.05)) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.states()
        assert "registered" not in columns(path, "tasker_schedule")
        other.execute("ROLLBACK")
        assert [state.id for state in store.states()] == ["old"]


def test_an_update_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE tasker_instance (mine TEXT)")
    with closing(Store(path)) as store, pytest.raises(TaskerError, match="tasker_instance is not tasker's"):
        store.states()
    assert "registered" not in columns(path, "tasker_schedule")
    assert "retries" not in columns(path, "tasker_run")
