"""A hundred thousand schedules on one PostgreSQL, a thousand of them due each second, shared by instances."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.server import postgresql, statements_of
from tests._support.cluster import ROOT, Cluster, until
from tests._support.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(400)]

PROGRAM = ROOT / "tests" / "scale" / "programs" / "one_of_many.py"
DUE = 1_000
"""How many schedules are due each second, all at its begin."""
SECONDS = 12
"""How long runs are counted."""
CONNECTIONS = 2
"""How many an instance may have."""

COUNTED = """
    SELECT n_tup_upd::int,
           n_tup_hot_upd::int,
           (SELECT count(*)::int FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())
    FROM pg_stat_user_tables WHERE relname = 'tasker_schedule'
"""
OVERDUE = """
    SELECT count(*) FROM tasker_schedule WHERE next_slot < (extract(epoch FROM clock_timestamp()) - 1) * 1000000
"""


class Counted(NamedTuple):
    """What the server has counted."""

    statements: float
    updates: int
    hot_updates: int
    connections: int


def counted(server: PostgresServer, database: str) -> Counted:
    return Counted(statements_of(server.url(database)), *server.execute(COUNTED, database)[0])


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgresql() as server:
        yield server


@pytest.mark.parametrize("count", [1, 3, 10])
def test_each_slot_is_run_once_and_in_time_by_few_statements(
    server: PostgresServer, count: int, tmp_path: Path
) -> None:
    notes = [tmp_path / f"{number}.json" for number in range(count)]
    with server.database() as database, Cluster(PROGRAM, server.url(database)) as cluster:
        for file in notes:
            cluster.start(NOTES=str(file))
        catch_up(server, database, count)
        begun, before = int(time.time()), counted(server, database)
        time.sleep(SECONDS)
        ended, after = int(time.time()), counted(server, database)
        time.sleep(2)  # for what was due in the last second, and runs late
        cluster.stop(within=30)  # ten instances have a million schedules to let go

    by_instance = [json.loads(file.read_text()) for file in notes]
    assert set(Counter((id, slot) for ran in by_instance for id, slot, _ in ran).values()) == {1}
    lateness = [[at - slot for _, slot, at in ran if begun < slot <= ended] for ran in by_instance]
    late = sorted(each for ran in lateness for each in ran)
    assert len(late) == (ended - begun) * DUE
    assert late[0] >= 0
    assert late[round(len(late) * 0.99)] < 1
    assert min(map(len, lateness)) > 0
    assert (after.statements - before.statements) / len(late) <= 0.1
    assert after.connections <= CONNECTIONS * count
    assert after.hot_updates - before.hot_updates == after.updates - before.updates > 0


def catch_up(server: PostgresServer, database: str, count: int) -> None:
    """Wait until all instances know all schedules, and nothing is due any more that was so at their start."""
    joined = "SELECT count(*) FROM tasker_instance"
    until(lambda: has_tables(server, database) and server.execute(joined, database) == [(count,)], "all are there", 200)
    until(lambda: server.execute(OVERDUE, database) == [(0,)], "nothing is overdue", 100)
    time.sleep(5)  # what they had to catch up with last was not overdue, but late


def has_tables(server: PostgresServer, database: str) -> bool:
    return server.execute("SELECT to_regclass('tasker_instance') IS NOT NULL", database) == [(True,)]
