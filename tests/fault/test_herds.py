"""Fifty instances at one store, also when it comes back: one of them runs a slot, and none of them storms it."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing

import pytest

import tasker
from tasker import Context, Run, schedule
from tasker.ports import Outcome
from tests._support.cluster import until
from tests._support.mariadb_server import MariadbServer
from tests._support.opening import store_at
from tests._support.places import SERVERS, Place
from tests._support.postgres import PostgresServer
from tests._support.redis_server import RedisServer
from tests.fault.programs.instance import ANCHOR

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("place", SERVERS, indirect=True)]
INSTANCES = 50
SECONDS = 2
# What an instance asks each second: a poll and a claim or two that are refused, and now and then that it is here. A
# call is one transaction of PostgreSQL, one script of Redis, and some statements in one packet to MariaDB.
EACH_SECOND = {"postgresql": 5, "mariadb": 25, "redis": 8}
# What it may ask in addition when the store is back: two connections, each with a few words of greeting.
AT_ONCE = 20


def statements(place: Place) -> int:
    """Return how many statements, or transactions, the server has done since it started."""
    server = place.server
    if isinstance(server, PostgresServer):
        return int(server.execute("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")[0][0])
    if isinstance(server, MariadbServer):
        return int(server.execute("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])
    assert isinstance(server, RedisServer)
    return int(server.execute("INFO", "commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


class Runs:
    """What the fifty did."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.done = 0
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def work(self, ctx: Context) -> None:
        run = Run.current()
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.tokens.append(run.fencing_token)
        ctx.wait(0.1)
        with self._lock:
            self._now -= 1
            self.done += 1


def test_fifty_instances_run_each_slot_once_and_do_not_storm_a_store_that_comes_back(place: Place) -> None:
    runs = Runs()
    with place.opened() as store:
        store.states()  # makes the tables
    with ExitStack() as stack:
        schedulers = []
        for number in range(INSTANCES):
            store = stack.enter_context(closing(store_at(place.url, 3)))
            scheduler = tasker.Scheduler(store, name=f"instance {number}")
            scheduler.add("job", schedule.Interval(seconds=1, anchor=ANCHOR), runs.work)
            schedulers.append(scheduler)
        stack.enter_context(tasker.background(*schedulers))
        until(lambda: runs.done > 1, "the first runs")

        before, begun = statements(place), time.monotonic()
        time.sleep(SECONDS)
        asked = statements(place) - before
        assert asked <= INSTANCES * EACH_SECOND[place.kind] * (time.monotonic() - begun)

        with place.down():
            time.sleep(SECONDS)
        before, begun = statements(place), time.monotonic()
        known = runs.done
        until(lambda: runs.done > known + 1, "the runs go on")
        asked = statements(place) - before
        assert asked <= INSTANCES * (AT_ONCE + EACH_SECOND[place.kind] * (time.monotonic() - begun))
    assert runs.most == 1
    assert runs.tokens == sorted(set(runs.tokens))
    with place.opened() as store:
        done = [record.slot for record in store.history("job", 1_000) if record.outcome is Outcome.SUCCEEDED]
    assert len(done) == len(set(done))
