"""Locks and states that are given apart, on real servers: several schedulers run each slot once, and in its order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from psycopg_pool import ConnectionPool

import tasker
from tasker import Context, Run, Scheduler, schedule
from tasker.ports import LockerFactory, Outcome, Repository
from tasker.store import mysql, postgresql, redis
from tests._support.mariadb_server import mariadb_server, mariadb_url  # noqa: F401 - fixtures
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests._support.redis_server import redis_server, redis_url  # noqa: F401 - fixtures

IDS = ("a", "b", "c")

Pair = tuple[LockerFactory, Repository]
MakePair = Callable[[], Pair]


@pytest.fixture(params=["postgresql, pool of one", "postgresql, pool of two", "postgresql, url", "mariadb", "redis"])
def make_pair(request: pytest.FixtureRequest) -> Iterator[MakePair]:
    """Return what gives each instance its own two ports, as if it were a process of its own."""
    with ExitStack() as closing:

        def kept(factory: AnyLockerFactory, repository: AnyRepository) -> Pair:
            closing.callback(factory.close)
            closing.callback(repository.close)
            return factory, repository

        def pooled(size: int) -> Pair:
            pool = closing.enter_context(ConnectionPool(url, min_size=0, max_size=size, open=True))
            return kept(postgresql.LockerFactory(pool), postgresql.Repository(pool))

        name = request.param.partition(",")[0]
        url: str = request.getfixturevalue({"postgresql": "postgres"}.get(name, name) + "_url")
        yield {
            "postgresql, pool of one": lambda: pooled(1),
            "postgresql, pool of two": lambda: pooled(2),
            "postgresql, url": lambda: kept(postgresql.LockerFactory(url), postgresql.Repository(url)),
            "mariadb": lambda: kept(mysql.LockerFactory(url), mysql.Repository(url)),
            "redis": lambda: kept(redis.LockerFactory(url), redis.Repository(url)),
        }[request.param]


AnyLockerFactory = postgresql.LockerFactory | mysql.LockerFactory | redis.LockerFactory
AnyRepository = postgresql.Repository | mysql.Repository | redis.Repository


class Runs:
    """What ran, and whether any two runs of one schedule went on at once."""

    def __init__(self) -> None:
        self.noted: dict[str, list[Run]] = {id: [] for id in IDS}
        self.overlaps: list[Run] = []
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def note(self, ctx: Context) -> None:
        run = Run.current()
        with self._lock:
            self.noted[run.schedule_id].append(run)
            if run.schedule_id in self._under_way:
                self.overlaps.append(run)
            self._under_way.add(run.schedule_id)
        ctx.wait(0.05)
        with self._lock:
            self._under_way.remove(run.schedule_id)


class Over(Exception):
    """All slots are decided, or that takes too long."""


def until_decided(repository: Repository, slots: Sequence[datetime]) -> tasker.TaskLike:
    """Return a task that ends the others when no slot is left."""
    last = slots[-1].timestamp() * 1_000_000

    def watch(ctx: Context) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end and not ctx.wait(0.1):
            states = [repository.find_by_id(id) for id in IDS]
            if all(state is not None and state.decided >= last for state in states):
                break
        raise Over

    return watch


@pytest.mark.parametrize("count", [2, 3])
def test_each_slot_is_run_once_over_all_schedulers(make_pair: MakePair, count: int) -> None:
    runs, pairs = Runs(), [make_pair() for _ in range(count)]
    for _, repository in pairs:
        assert repository.find_by_id("a") is None  # which makes the tables, so that the first slot is not late
    begin = datetime.now(UTC) + timedelta(seconds=0.5)
    slots = [begin + timedelta(seconds=0.3) * number for number in range(6)]
    schedulers = [Scheduler(locker_factory=factory, repository=repository) for factory, repository in pairs]
    for scheduler in schedulers:
        for id in IDS:
            # A slow machine may be late, but leaves no slot out.
            scheduler.add(id, schedule.At(*slots), runs.note, misfire="run_all", overlap="queue")

    watch = until_decided(pairs[0][1], slots)
    tasker.run(tasker.ignore_error(tasker.concurrence(*schedulers, watch), Over))

    assert runs.overlaps == []
    for id, noted in runs.noted.items():
        assert [run.slot for run in noted] == slots
        tokens = [run.fencing_token for run in noted]
        assert tokens == sorted(set(tokens))
        states = [repository.find_by_id(id) for _, repository in pairs]
        assert states == [states[0]] * count
        assert states[0] is not None
        assert (states[0].runs, states[0].last_outcome, states[0].token) == (6, Outcome.SUCCEEDED, tokens[-1])
