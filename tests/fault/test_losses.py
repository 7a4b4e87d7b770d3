"""A store that has lost what it knew: runs that it forgot are left, tokens grow all the same, and nothing bursts."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from tests._support.mariadb_server import MariadbServer
from tests._support.places import Place
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests._support.stage import STEP, Note, Stage

pytestmark = pytest.mark.slow
IDS = ("held", "quick")

Act = Callable[[], object]


def sql_losses(run: Callable[..., object]) -> Iterator[tuple[str, Act]]:
    """Yield what may happen to the rows of a database; `run` runs statements in one transaction."""
    run("CREATE TABLE backup AS SELECT * FROM tasker_schedule")
    yield "all rows were deleted", lambda: run("DELETE FROM tasker_schedule")
    # Not by two transactions: who looks in between makes the rows anew.
    restoring = ("DELETE FROM tasker_schedule", "INSERT INTO tasker_schedule SELECT * FROM backup")
    yield "an old backup was restored", lambda: run(*restoring)


def postgres_losses(place: Place) -> Iterator[tuple[str, Act]]:
    server = place.server
    assert isinstance(server, PostgresServer)
    return sql_losses(lambda *statements: server.execute("; ".join(statements), place.database))


def mariadb_losses(place: Place) -> Iterator[tuple[str, Act]]:
    server = place.server
    assert isinstance(server, MariadbServer)
    return sql_losses(
        lambda *statements: server.execute("START TRANSACTION", *statements, "COMMIT", database=place.database)
    )


def redis_losses(place: Place) -> Iterator[tuple[str, Act]]:
    server = place.server
    assert isinstance(server, RedisServer)
    saved, copy = server.folder / "dump.rdb", server.folder / "copy.rdb"
    server.execute("SAVE")
    shutil.move(saved, copy)

    def restore() -> None:
        server.kill()
        shutil.copy(copy, saved)
        server.start()
        saved.unlink()

    yield "all keys were deleted", lambda: server.execute("FLUSHALL")
    yield "the server crashed without anything on its disk", server.restart
    yield "an old backup was restored", restore


def sqlite_losses(place: Place) -> Iterator[tuple[str, Act]]:
    path = Path(place.database)
    backup = sqlite3.connect(path.with_name("copy.db"))

    def remove() -> None:
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()

    def restore() -> None:
        with closing(sqlite3.connect(path, timeout=30)) as database:
            backup.backup(database)

    with closing(backup):
        with closing(sqlite3.connect(path, timeout=30)) as database:
            database.backup(backup)
        yield "the file was removed", remove
        yield "the file was moved away", lambda: path.rename(path.with_name("moved.db"))
        yield "an old backup was restored", restore


LOSSES = {
    "postgresql": postgres_losses,
    "mariadb": mariadb_losses,
    "redis": redis_losses,
    "sqlite": sqlite_losses,
}


def test_whatever_is_lost_runs_are_left_tokens_grow_and_slots_do_not_burst(place: Place, stage: Stage) -> None:
    holder = stage.start("--ids", "held", "--first", "60")
    other = stage.start("--ids", "quick")
    stage.wait("done", of=other, times=2)
    stage.until(lambda: stage.is_at_work(holder), "a run is under way")
    for name, lose in LOSSES[place.kind](place):
        run = stage.notes("began", of=holder)[-1]
        lose()
        left = stage.wait("left", of=holder, after=run.at)  # which may be while the loss goes on
        assert (name, left.token, left.detail) == (name, run.token, "LeaseLost")
        stage.wait("done", of=other, times=2)
        stage.until(lambda: stage.is_at_work(holder), f"all goes on after {name}")
        again = stage.notes("began", of=other, after=run.at)
        assert len(again) <= (again[-1].at - run.at) / STEP + 2, name
    stage.stop()
    for id in IDS:
        runs = stage.notes("began", id=id)
        assert [run.token for run in runs] == sorted({run.token for run in runs})
        assert overlapping(stage, runs) == []
    assert stage.stale() == []


def overlapping(stage: Stage, runs: list[Note]) -> list[Note]:
    """Return the runs that began while the one before them was still at work."""
    ends = {note.token: note.at for note in stage.notes() if note.what in ("done", "left")}
    return [after for before, after in pairwise(runs) if ends[before.token] > after.at]
