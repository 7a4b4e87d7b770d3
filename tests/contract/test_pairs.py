"""A locker factory and a repository as a store: a state that this version cannot read stops its own schedule only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tasker.ports import FORMAT, Action, Definition, Held, Passed, Proposal, Reason, Repository, ScheduleState, Skip
from tasker.scheduler._pair import PairStore
from tasker.store import memory, sqlite

ME = "2f1ad9f2a1d84b2aa1a0a0e8a6b9a7d1"
TTL = 60_000_000


def in_memory(folder: Path) -> Repository:
    repository = memory.Repository()
    repository.create(ScheduleState(id="strange", decided=1, definition="every second", format=FORMAT + 1))
    return repository


def newer_in_a_file(folder: Path) -> Repository:
    repository = sqlite.Repository(folder / "tasker.db")
    repository.create(ScheduleState(id="strange", decided=1, definition="every second", format=FORMAT + 1))
    return repository


def spoilt_in_a_file(folder: Path) -> Repository:
    repository = sqlite.Repository(folder / "tasker.db")
    repository.create(ScheduleState(id="strange", decided=1))
    with closing(sqlite3.connect(folder / "tasker.db")) as database, database:
        database.execute("UPDATE tasker_state SET decided = x'00'")
    return repository


@pytest.mark.parametrize("make", [in_memory, newer_in_a_file, spoilt_in_a_file])
def test_a_state_that_cannot_be_read_stops_its_own_schedule_only(
    make: Callable[[Path], Repository], tmp_path: Path
) -> None:
    repository = make(tmp_path)
    before = repository.find_by_id("strange")
    with closing(PairStore(memory.LockerFactory(), repository)) as store:
        states = store.register([Definition("job", "every second"), Definition("strange", "every hour")]).states
        formats = {state.id: state.format > FORMAT for state in states}
        assert formats == {"job": False, "strange": True}
        slot = max(state.decided for state in states) + 1
        while store.poll(0).now < slot:
            pass
        reply = store.claim(ME, TTL, 2, [Proposal("job", slot), Proposal("strange", slot)])
        assert [grant.id for grant in reply.grants] == ["job"]
        assert [state.id for state in reply.refused] == ["strange"]
        assert store.skip([Skip("strange", slot, Passed(slot, slot, 1, Reason.MISFIRED))]).ids == frozenset()
        assert store.release(ME, [Held("strange", states[-1].token)]).ids == frozenset()
        for action in Action:
            assert "strange" not in store.control(action, None).ids
    assert repository.find_by_id("strange") == before
    if isinstance(repository, sqlite.Repository):
        repository.close()
