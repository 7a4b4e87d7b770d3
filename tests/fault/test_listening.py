"""Schedulers whose stores hear the bell that others ring: at once, and if they do not, at the next poll all the same.

In most tests the next poll is a minute away, so whatever comes at all has come by listening.
"""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tasker
from tasker import Context, Scheduler, schedule
from tasker.ports import Action, Definition, Ending, Outcome, Proposal, RunRecord
from tasker.scheduler import _work
from tasker.store import open_store
from tasker.store.postgresql import Store as PostgresqlStore
from tasker.store.redis import Store as RedisStore
from tests._support.cluster import until
from tests._support.pgbouncer import pgbouncer
from tests._support.postgres import PostgresServer, own_postgres  # noqa: F401 - a fixture
from tests._support.redis_server import RedisServer, own_redis  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
Store = PostgresqlStore | RedisStore
DAILY = schedule.Daily(hour=0, tz="UTC")
THREAD = "tasker-listener"


@dataclass(frozen=True)
class Place:
    """A server of the test's own, as far as these tests break it."""

    url: str
    server: Any
    listeners: Callable[[], int]
    cut: Callable[[], object]
    connections: Callable[[], int]


def on_postgresql(server: PostgresServer) -> Place:
    of_clients = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    listening = f"{of_clients} AND query LIKE 'LISTEN %'"
    return Place(
        url=server.url(),
        server=server,
        listeners=lambda: server.execute(f"SELECT count(*) {listening}")[0][0],
        cut=lambda: server.execute(f"SELECT pg_terminate_backend(pid) {listening}"),
        connections=lambda: server.execute(f"SELECT count(*) {of_clients}")[0][0],
    )


def on_redis(server: RedisServer) -> Place:
    def clients(**of: str) -> int:
        with server.client() as client:
            return len(client.client_list(**of))

    server.settle()
    return Place(
        url=server.url(),
        server=server,
        listeners=lambda: clients(_type="pubsub"),
        cut=lambda: server.execute("CLIENT", "KILL", "TYPE", "pubsub"),
        connections=lambda: clients() - 1,
    )


@pytest.fixture(params=["postgresql", "redis"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "redis":
        return on_redis(request.getfixturevalue("own_redis"))
    return on_postgresql(request.getfixturevalue("own_postgres"))


@pytest.fixture
def polls_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_work, "_POLL_EVERY", 60.0)


def is_listening_here() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


def store_at(url: str, *, listen: bool = True, namespace: str = "") -> Store:
    store = open_store(f"{url}?listen=true" if listen else url, namespace=namespace)
    assert isinstance(store, Store)
    return store


@contextmanager
def instance(url: str, task: tasker.TaskLike, *, id: str = "job", listen: bool = True) -> Iterator[Store]:
    """Run a daily schedule in the background, on a store of its own."""
    with (
        closing(store_at(url, listen=listen)) as store,
        tasker.background(Scheduler(store).with_schedule(id, DAILY, task)),
    ):
        until(lambda: {state.id for state in store.states()} >= {id}, "it is registered")
        yield store


@contextmanager
def elsewhere(url: str) -> Iterator[Store]:
    """Open a store as another instance does, which says when it rings the bell."""
    with closing(store_at(url)) as store:
        yield store


@pytest.mark.usefixtures("polls_rarely")
def test_what_another_instance_triggers_pauses_and_drains_is_seen_at_once(place: Place) -> None:
    ran = threading.Semaphore(0)
    with instance(place.url, ran.release), elsewhere(place.url) as other:
        until(lambda: place.listeners() == 1, "it listens")
        for _ in range(3):
            other.control(Action.TRIGGER, ["job"])
            assert ran.acquire(timeout=30)
            until(lambda: other.states()[0].owner is None, "it is recorded")
        (this,) = other.instances()
        other.drain([this.owner], draining=True)
        other.control(Action.TRIGGER, ["job"])
        until(lambda: other.states()[0].requested is not None, "it stays requested")
        assert not ran.acquire(timeout=0.5)
        other.drain([this.owner], draining=False)
        assert ran.acquire(timeout=30)


@pytest.mark.usefixtures("polls_rarely")
def test_the_slot_that_a_stopping_instance_gives_back_is_taken_at_once(place: Place) -> None:
    attempts: list[int] = []
    started, again = threading.Event(), threading.Event()

    def until_stopped(ctx: Context) -> None:
        started.set()
        ctx.sleep(60)

    def note() -> None:
        attempts.append(tasker.Run.current().attempt)
        again.set()

    with ExitStack() as second:
        with instance(place.url, until_stopped) as store:
            store.control(Action.TRIGGER, ["job"])
            assert started.wait(30)
            second.enter_context(instance(place.url, note))
            until(lambda: place.listeners() == 2, "both listen")
        assert again.wait(30)
        assert attempts == [2]


@pytest.mark.usefixtures("polls_rarely")
def test_a_connection_that_is_cut_is_replaced_and_what_was_rung_meanwhile_is_seen(place: Place) -> None:
    ran = threading.Semaphore(0)
    with instance(place.url, ran.release), elsewhere(place.url) as other:
        until(lambda: place.listeners() == 1, "it listens")
        for _ in range(3):
            place.cut()
            other.control(Action.TRIGGER, ["job"])
            assert ran.acquire(timeout=30)
            until(lambda: other.states()[0].owner is None, "it is recorded")


@pytest.mark.usefixtures("polls_rarely")
def test_after_a_restart_of_the_server_it_listens_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    ran = threading.Semaphore(0)
    with instance(place.url, ran.release), elsewhere(place.url) as other:
        until(lambda: place.listeners() == 1, "it listens")
        place.server.restart()
        if isinstance(place.server, RedisServer):
            place.server.settle()
        until(lambda: place.listeners() == 1, "it listens again")
        other.register([Definition("job", str(DAILY))])
        other.control(Action.TRIGGER, ["job"])
        assert ran.acquire(timeout=30)
    assert "listen" not in caplog.text


def test_one_that_cannot_listen_sees_all_at_its_next_poll(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = threading.Semaphore(0)

    def refuse(*_: object) -> None:
        raise OSError("no socket left")

    for module in ("postgresql", "redis"):
        monkeypatch.setattr(f"tasker.store.{module}._store.open_line", refuse)
    with instance(place.url, ran.release), elsewhere(place.url) as other:
        other.control(Action.TRIGGER, ["job"])
        assert ran.acquire(timeout=30)
        assert place.listeners() == 0


def test_it_takes_a_connection_more_while_it_runs_and_leaves_nothing(place: Place) -> None:
    with instance(place.url, lambda: None):
        until(lambda: place.listeners() == 1, "it listens")
        # The one for renewals is there with the first lease; a session of this test may take a moment to end.
        until(lambda: place.connections() == 2, "one is for operations, and one to listen")
        assert is_listening_here()
    assert not is_listening_here()
    until(lambda: place.connections() == 0, "all are closed")


def test_without_being_told_it_does_not_listen(place: Place) -> None:
    with instance(place.url, lambda: None, listen=False) as store:
        assert place.listeners() == 0
        assert not is_listening_here()
        store.listen(lambda: None)()
        until(lambda: place.connections() == 1, "one is for operations")


def test_schedulers_of_one_store_share_the_connection(place: Place) -> None:
    heard: list[str] = []
    with elsewhere(place.url) as store:
        store.register([Definition("job", "x")])
        stop_first = store.listen(lambda: heard.append("first"))
        until(lambda: heard == ["first"], "it looks what there was")
        stop_second = store.listen(lambda: heard.append("second"))
        store.control(Action.PAUSE, ["job"])
        until(lambda: heard == ["first", "first", "second"], "both hear it")
        assert place.listeners() == 1
        stop_first()
        store.control(Action.RESUME, ["job"])
        until(lambda: heard[3:] == ["second"], "the other one hears it")
        stop_second()
        until(lambda: place.listeners() == 0, "nobody listens")
        stop_second()


def test_only_the_bell_of_the_own_namespace_is_heard(place: Place) -> None:
    heard: list[float] = []
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(closing(store_at(place.url, namespace=name))) for name in "ab")
        if isinstance(place.server, RedisServer):
            place.server.settle("a")
        for store in (ours, theirs):
            store.register([Definition("job", "x")])
        stack.callback(ours.listen(lambda: heard.append(time.monotonic())))
        until(lambda: len(heard) == 1, "it listens")
        theirs.control(Action.TRIGGER, ["job"])
        ours.control(Action.TRIGGER, ["job"])
        until(lambda: len(heard) == 2, "the own one is heard")


def test_a_run_that_just_ends_says_nothing(place: Place) -> None:
    heard: list[float] = []
    with elsewhere(place.url) as store:
        store.register([Definition("job", "x")])
        store.control(Action.TRIGGER, ["job"])
        stop = store.listen(lambda: heard.append(time.monotonic()))
        until(lambda: len(heard) == 1, "it listens")
        (grant,) = store.claim("A", 60_000_000, 1, [Proposal("job", 1)]).grants
        store.finish("A", [Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)])
        store.control(Action.PAUSE, ["job"])
        until(lambda: len(heard) == 2, "the change is heard")
        stop()
    assert len(heard) == 2


@pytest.mark.usefixtures("polls_rarely")
def test_a_stop_does_not_wait_for_a_server_that_is_frozen(place: Place) -> None:
    with elsewhere(place.url) as store:
        stop = store.listen(lambda: None)
        until(lambda: place.listeners() == 1, "it listens")
        place.server.freeze()
        try:
            stop()
            assert not is_listening_here()
        finally:
            place.server.thaw()


FORKING = """
import os, sys, threading
from tasker.store import open_store
from tasker.ports import Action, Definition
store = open_store(sys.argv[1])
store.register([Definition("job", "x")])
heard = threading.Semaphore(0)
stop = store.listen(heard.release)
assert heard.acquire(timeout=30)
child = os.fork()
if child == 0:
    in_child = threading.Semaphore(0)
    stop()
    stop = store.listen(in_child.release)
    assert in_child.acquire(timeout=30)
    store.control(Action.PAUSE, ["job"])
    assert in_child.acquire(timeout=30)
    stop()
    store.close()
    os._exit(0)
assert heard.acquire(timeout=30)
assert os.waitpid(child, 0)[1] == 0
store.control(Action.RESUME, ["job"])
assert heard.acquire(timeout=30)
stop()
store.close()
print("heard")
"""


def test_a_forked_child_listens_for_itself(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, f"{place.url}?listen=true"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")


def test_through_a_proxy_that_pools_transactions_it_says_once_that_it_polls(
    own_postgres: PostgresServer,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran = threading.Semaphore(0)
    with (
        pgbouncer(own_postgres, tmp_path) as url,
        instance(f"{url}postgres", ran.release),
        elsewhere(f"{url}postgres") as other,
    ):
        until(lambda: not is_listening_here(), "it has given up")
        other.control(Action.TRIGGER, ["job"])
        assert ran.acquire(timeout=30)
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert warning == (
        f"nothing can be heard from {url}postgres, so what other"
        " instances change is seen within a second and not at once: a proxy stands in between, which may give each"
        " transaction another session; use a URL that leads to the server itself, or leave listen out"
    )
    assert own_postgres.execute("SELECT pg_listening_channels()") == []


def test_a_redis_user_that_may_not_publish_or_subscribe_polls_and_loses_nothing(
    own_redis: RedisServer,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran = threading.Semaphore(0)
    own_redis.settle()
    for right in ("~*", "+@all", "-publish", "-subscribe", "on", ">secret"):
        own_redis.execute("ACL", "SETUSER", "limited", right)
    url = own_redis.url(user="limited", password="secret")
    with instance(url, ran.release), elsewhere(url) as other:
        until(lambda: not is_listening_here(), "it has given up")
        other.control(Action.TRIGGER, ["job"])
        assert ran.acquire(timeout=30)
        until(lambda: outcomes(other.history("job", 9)) == [Outcome.SUCCEEDED], "it is recorded")
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "nothing can be heard from redis://limited@" in warning
    assert "secret" not in caplog.text


def outcomes(records: tuple[RunRecord, ...]) -> list[Outcome]:
    return [record.outcome for record in records]


def test_the_permissions_in_the_documentation_are_enough_to_listen(own_redis: RedisServer) -> None:  # noqa: F811
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "redis.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER")]
    (more,) = re.findall(r"access list `(\+publish .*)`", page)
    own_redis.execute(*f"{line} {more}".replace("<password>", "secret").split())
    own_redis.settle()
    heard = threading.Semaphore(0)
    with elsewhere(own_redis.url(user="tasker", password="secret")) as store:
        store.register([Definition("job", "x")])
        stop = store.listen(heard.release)
        assert heard.acquire(timeout=30)
        store.control(Action.PAUSE, ["job"])
        assert heard.acquire(timeout=30)
        stop()
