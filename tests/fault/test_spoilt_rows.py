"""A row that cannot be read while instances run: it stays as it is, the others go on, and repaired it goes on too."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest

from tasker.ports import Outcome
from tests._support.mariadb_server import MariadbServer
from tests._support.places import Place
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests._support.stage import STEP, Stage

pytestmark = pytest.mark.slow
ROW = "SELECT * FROM tasker_schedule WHERE id = 'spoilt'"
KEY = "{tasker:}:s:spoilt"


def run(place: Place, statement: str) -> Sequence[object]:
    """Run a statement of SQL and return its rows."""
    if isinstance(place.served_by, PostgresServer):
        return place.served_by.execute(statement, place.database)
    if isinstance(place.served_by, MariadbServer):
        return place.served_by.execute(statement, database=place.database)
    with closing(sqlite3.connect(place.database, timeout=30, isolation_level=None)) as database:
        return database.execute(statement).fetchall()


def spoil(place: Place) -> None:
    # The columns of the other databases hold no garbage; a newer version's row cannot be read either.
    write(place, in_redis='{"v":', in_sqlite="x'00'", in_others=999)


def repair(place: Place) -> None:
    write(place, in_redis="1", in_sqlite="1", in_others=1)


def write(place: Place, *, in_redis: str, in_sqlite: str, in_others: int) -> None:
    if isinstance(place.served_by, RedisServer):
        place.served_by.execute("HSET", KEY, "n", in_redis)
    elif place.served_by is None:
        run(place, f"UPDATE tasker_schedule SET runs = {in_sqlite} WHERE id = 'spoilt'")
    else:
        run(place, f"UPDATE tasker_schedule SET format = {in_others} WHERE id = 'spoilt'")


def row(place: Place) -> object:
    if isinstance(place.served_by, RedisServer):
        return place.served_by.execute("HGETALL", KEY)
    return run(place, ROW)


def test_a_row_that_cannot_be_read_is_left_alone_and_the_others_go_on(place: Place, stage: Stage) -> None:
    instances = [stage.start("--ids", "spoilt", "quick") for _ in range(2)]
    stage.seen("done", id="spoilt")
    spoil(place)
    # What was claimed before that is over now, one way or the other.
    stage.wait("done", id="quick", times=2)
    before, now = row(place), stage.notes()[-1].at
    stage.wait("done", id="quick", times=3)
    assert row(place) == before
    assert stage.notes("began", id="spoilt", after=now) == []
    for instance in instances:
        instance.wait_for("'spoilt'")

    repair(place)
    stage.wait("done", id="spoilt", times=2)
    stage.stop()
    for id in ("spoilt", "quick"):
        runs = stage.notes("began", id=id)
        assert [note.token for note in runs] == sorted({note.token for note in runs})
        # A run that ended while its row could not be read is not recorded: its slot is run again.
        done = [record.slot for record in stage.history(id) if record.outcome is Outcome.SUCCEEDED]
        assert len(done) == len(set(done))
        assert len(runs) <= (runs[-1].at - runs[0].at) / STEP + 2
