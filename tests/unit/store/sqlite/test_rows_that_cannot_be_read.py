from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasker.errors import TaskerError
from tasker.ports import (
    FORMAT,
    UNREADABLE,
    Action,
    Definition,
    Held,
    Outcome,
    Passed,
    Proposal,
    Reason,
    ScheduleState,
    Skip,
)
from tasker.store.sqlite import Repository, Store

ME = "2f1ad9f2a1d84b2aa1a0a0e8a6b9a7d1"
LONG = 60_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasker.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as made:
        made.register([Definition("job", "every second"), Definition("other", "every second")])
        yield made


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(sql).rowcount == 1


def dump(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        database.text_factory = bytes
        return database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize(
    ("column", "garbage"),
    [
        ("decided", "x'00'"),
        ("decided", "'yesterday'"),
        ("decided", "1.5"),
        ("token", "'{\"v\":'"),
        ("ended", "''"),
        ("owner", "x'ff'"),
        ("owner", "CAST(x'ff' AS TEXT)"),
        ("definition", "CAST(x'c3' AS TEXT)"),
        ("registered", "'long ago'"),
        ("last_outcome", "'vanished'"),
        ("format", "'one'"),
        ("format", "x'01'"),
    ],
)
def test_a_spoilt_row_is_shown_refused_and_left_as_it_is(store: Store, path: Path, column: str, garbage: str) -> None:
    execute(path, f"UPDATE tasker_schedule SET {column} = {garbage} WHERE id = 'job'")
    before = dump(path, "tasker_schedule")
    state = store.states(["job"])[0]
    assert (state.id, state.format) == ("job", UNREADABLE)
    assert column in state.definition
    slot = store.poll(0).now
    assert store.register([Definition("job", "daily at 12:00")]).states == (state,)
    assert store.claim(ME, LONG, 1, [Proposal("job", slot)]).refused == (state,)
    assert store.skip([Skip("job", slot, Passed(slot, slot, 1, Reason.MISFIRED))]).ids == frozenset()
    assert store.control(Action.TRIGGER, ["job"]).ids == frozenset()
    assert store.release(ME, [Held("job", 0)]).ids == frozenset()
    assert store.renew(ME, LONG, [Held("job", 0)], 1).kept == frozenset()
    assert dump(path, "tasker_schedule") == before
    assert len(store.claim(ME, LONG, 1, [Proposal("other", slot)]).grants) == 1


def test_a_newer_row_keeps_its_format_even_if_its_columns_mean_something_else(store: Store, path: Path) -> None:
    execute(path, f"UPDATE tasker_schedule SET format = {FORMAT + 1}, decided = 'soon' WHERE id = 'job'")
    assert store.states(["job"])[0].format == FORMAT + 1


def test_an_id_that_is_no_text_is_shown_as_what_it_is(store: Store, path: Path) -> None:
    execute(path, "UPDATE tasker_schedule SET id = x'00ff' WHERE id = 'job'")
    assert {state.id: state.format for state in store.states()} == {"other": FORMAT, "b'\\x00\\xff'": UNREADABLE}


def test_a_repaired_row_goes_on(store: Store, path: Path) -> None:
    decided = store.states(["job"])[0].decided
    execute(path, "UPDATE tasker_schedule SET decided = 'soon' WHERE id = 'job'")
    assert store.claim(ME, LONG, 1, [Proposal("job", decided + 1)]).grants == ()
    execute(path, f"UPDATE tasker_schedule SET decided = {decided} WHERE id = 'job'")
    assert len(store.claim(ME, LONG, 1, [Proposal("job", decided + 1)]).grants) == 1


def test_a_record_of_a_newer_version_is_left_out_of_the_history(store: Store, path: Path) -> None:
    decided = store.states(["job"])[0].decided
    for slot in (decided + 1, decided + 2):
        store.skip([Skip("job", slot, Passed(slot, slot, 1, Reason.MISFIRED))])
    execute(path, f"UPDATE tasker_run SET reason = 'weather' WHERE slot = {decided + 1}")
    assert [(record.slot, record.outcome) for record in store.history("job", 9)] == [(decided + 2, Outcome.SKIPPED)]


@pytest.mark.parametrize("garbage", ["token = 'one'", "owner = x'ff'", "lease_until = 'never'"])
def test_a_spoilt_lock_is_nobody_s_and_left_as_it_is(store: Store, path: Path, garbage: str) -> None:
    (grant,) = store.acquire(ME, LONG, ["key"]).grants
    execute(path, f"UPDATE tasker_lock SET {garbage}")
    before = dump(path, "tasker_lock")
    held = [Held("key", grant.token)]
    assert store.extend(ME, LONG, held, 1).kept == frozenset()
    assert store.free(ME, held).ids == frozenset()
    assert [grant.key for grant in store.acquire(ME, LONG, ["key", "another"]).grants] == ["another"]
    assert dump(path, "tasker_lock")[-1] == before[0]


@pytest.mark.parametrize(
    "garbage",
    [
        "decided = x'00'",
        "token = 'one'",
        "last_outcome = 'vanished'",
        "definition = CAST(x'c3' AS TEXT)",
        "format = 'one'",
        f"format = {FORMAT + 1}",
    ],
)
def test_a_state_that_cannot_be_read_is_shown_as_such_and_left_as_it_is(path: Path, garbage: str) -> None:
    with closing(Repository(path)) as repository:
        repository.create(ScheduleState(id="job", decided=1))
        repository.create(ScheduleState(id="other", decided=1))
        execute(path, f"UPDATE tasker_state SET {garbage} WHERE id = 'job'")
        before = dump(path, "tasker_state")
        found = repository.find_by_id("job")
        assert found is not None
        assert (found.id, found.format > FORMAT) == ("job", True)
        for token in (0, 2, 2**60):
            with pytest.raises(TaskerError, match=r"'job' is left as it is: .+"):
                repository.update(ScheduleState(id="job", decided=2, token=token))
        repository.create(ScheduleState(id="job", decided=3))
        assert dump(path, "tasker_state") == before
        assert repository.find_by_id("other") == ScheduleState(id="other", decided=1)
        repository.delete_by_id("job")
        assert repository.find_by_id("job") is None


@pytest.mark.parametrize(
    "garbage", ["started = 'soon'", "name = x'ff'", "draining = 'yes'", "version = CAST(x'c3' AS TEXT)"]
)
def test_an_instance_that_cannot_be_read_is_left_out(store: Store, path: Path, garbage: str) -> None:
    store.beat("spoilt", "worker", "1")
    execute(path, f"UPDATE tasker_instance SET {garbage}")
    store.beat("other", "worker", "1")
    assert [instance.owner for instance in store.instances()] == ["other"]


@pytest.mark.parametrize("garbage", ["registered = 'long ago'", "registered = x'00'", "defined = 'never'"])
def test_a_row_that_does_not_say_when_it_was_registered_is_not_purged(store: Store, path: Path, garbage: str) -> None:
    execute(path, f"UPDATE tasker_schedule SET {garbage} WHERE id = 'job'")
    assert store.purge(2**60).ids == {"other"}
    assert [state.format for state in store.states()] == [UNREADABLE]
