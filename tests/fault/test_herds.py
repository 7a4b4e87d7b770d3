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
# How many calls an instance sends each second: a poll, a claim or two that are refused, and now and then that it is
# here.
EACH_SECOND = 5
# How many it may send in addition when the store is back: it looks at the tables, says that it is here, registers,
# polls, claims, and renews and records what it had.
AT_ONCE = 10


def calls(place: Place) -> int:
    """Return how many calls the server has answered since it started: each is a transaction, or a script of Redis."""
    server = place.server
    if isinstance(server, PostgresServer):
        return int(server.execute("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")[0][0])
    if isinstance(server, MariadbServer):
        return int(server.execute("SHOW GLOBAL STATUS LIKE 'Com_commit'")[0][1])
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
        until(lambda: len(schedulers[0].instances()) == INSTANCES, "all instances")
        known = runs.done
        until(lambda: runs.done > known + 1, "the runs go on")

        before, begun = calls(place), time.monotonic()
        time.sleep(SECONDS)
        asked = calls(place) - before
        assert asked <= INSTANCES * EACH_SECOND * (time.monotonic() - begun)

        with place.down():
            time.sleep(SECONDS)
        before, begun = calls(place), time.monotonic()
        known = runs.done
        until(lambda: runs.done > known + 1, "the runs go on")
        asked = calls(place) - before
        assert asked <= INSTANCES * (AT_ONCE + EACH_SECOND * (time.monotonic() - begun))
    assert runs.most == 1
    assert runs.tokens == sorted(set(runs.tokens))
    with place.opened() as store:
        done = [record.slot for record in store.history("job", 1_000) if record.outcome is Outcome.SUCCEEDED]
    assert len(done) == len(set(done))
