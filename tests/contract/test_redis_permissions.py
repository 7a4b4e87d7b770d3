"""A user of Redis or Valkey who lacks a permission is told so before anything is written, and which one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import tasker
from tasker import Scheduler, schedule
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Definition, Ending, Outcome, Proposal
from tasker.store.redis import LockerFactory, Repository, Store
from tasker.store.redis._commands import AT_FIRST, IN_SCRIPTS
from tests._support.redis_server import RedisServer, find_redis, find_valkey
from tests._support.services import require_or_skip

NEEDED = sorted({name.decode() for name, *_ in AT_FIRST} | set(IN_SCRIPTS))
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "redis.md"


@pytest.fixture(scope="module", params=[find_redis, find_valkey], ids=["redis", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    binary = request.param()
    require_or_skip(binary, f"no {request.param.__name__.removeprefix('find_')} server is installed")
    with RedisServer(binary) as server:
        yield server


@pytest.fixture
def url(server: RedisServer) -> str:
    """The URL of an empty server, for a user with the permissions of the documentation."""
    server.execute("FLUSHALL")
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("ACL SETUSER")]
    server.execute("ACL", "DELUSER", "tasker")
    server.execute(*line.replace("<password>", "secret").split())
    server.settle()
    return server.url(user="tasker", password="secret")


def contents(server: RedisServer) -> dict[bytes, object]:
    """Return all that the server holds."""
    return {key: server.execute("DUMP", key) for key in server.execute("KEYS", "*")}


@pytest.mark.parametrize("command", NEEDED)
def test_a_command_that_is_forbidden_is_named_before_anything_is_written(
    server: RedisServer, url: str, command: str
) -> None:
    server.execute("ACL", "SETUSER", "tasker", f"-{command}")
    before = contents(server)
    with closing(Store(url)) as store:
        with pytest.raises(TaskerError, match=f"may not call {command}; .*docs/how-to/redis.md") as caught:
            store.register([Definition("job", "every second")])
        assert not isinstance(caught.value, StoreUnavailable)
    assert contents(server) == before


def test_all_that_are_forbidden_are_named_at_once(server: RedisServer, url: str) -> None:
    server.execute("ACL", "SETUSER", "tasker", "-zadd", "-lrange", "-del", "-lpush")
    with closing(Store(url)) as store, pytest.raises(TaskerError, match="may not call DEL, LRANGE, ZADD;"):
        store.poll(0)
    server.execute("ACL", "SETUSER", "tasker", "+del", "-time", "-info", "-evalsha")
    with closing(Store(url)) as store, pytest.raises(TaskerError, match="may not call TIME, INFO, EVALSHA;"):
        store.poll(0)


def test_a_scheduler_ends_with_it_and_runs_nothing(server: RedisServer, url: str) -> None:
    server.execute("ACL", "SETUSER", "tasker", "-lpush")
    ran: list[int] = []
    task = Scheduler(url).with_schedule("job", schedule.Interval(seconds=0.01), lambda: ran.append(1))
    with pytest.raises(TaskerError, match="may not call LPUSH"):
        tasker.run(tasker.with_timeout(20, task))
    assert ran == []


def test_lockers_and_repositories_are_told_too(server: RedisServer, url: str) -> None:
    server.execute("ACL", "SETUSER", "tasker", "-hset")
    with closing(LockerFactory(url)) as lockers, pytest.raises(TaskerError, match="may not call HSET"):
        lockers.locker_for("key").try_lock(tasker.Context.background()).__enter__()
    with closing(Repository(url)) as repository, pytest.raises(TaskerError, match="may not call HSET"):
        repository.find_by_id("job")


def test_trying_the_commands_leaves_nothing_behind(server: RedisServer, url: str) -> None:
    before = contents(server)
    with closing(Store(url)) as store:
        store.poll(0)
    assert contents(server) == before


def test_a_replica_that_only_reads_still_answers_what_only_reads(server: RedisServer, url: str) -> None:
    server.execute("REPLICAOF", "127.0.0.1", "1")
    try:
        with closing(Store(url)) as store:
            assert store.states() == ()
            with pytest.raises(StoreUnavailable, match="READONLY"):
                store.register([Definition("job", "every second")])
    finally:
        server.execute("REPLICAOF", "NO", "ONE")


def test_a_permission_that_is_taken_away_under_way_is_missed_aloud(server: RedisServer, url: str) -> None:
    with closing(Store(url)) as store:
        (state,) = store.register([Definition("job", "every second")]).states
        (grant,) = store.claim("A", 60_000_000, 1, [Proposal("job", state.decided + 1)]).grants
        server.execute("ACL", "SETUSER", "tasker", "-lpush")
        ending = Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)
        with pytest.raises(TaskerError, match="lacks a permission"):
            store.finish("A", [ending])


def test_a_row_is_not_made_where_its_id_cannot_be_listed(server: RedisServer, url: str) -> None:
    with closing(Store(url)) as store:
        store.poll(0)
        server.execute("ACL", "SETUSER", "tasker", "-zadd")
        with pytest.raises(TaskerError, match="lacks a permission"):
            store.register([Definition("job", "every second")])
    assert not server.execute("EXISTS", "{tasker:}:s:job")


def test_keys_that_are_forbidden_are_refused_for_good(server: RedisServer, url: str) -> None:
    server.execute("ACL", "SETUSER", "tasker", "resetkeys", "~{tasker:billing}:*")
    with closing(Store(url)) as store:
        with pytest.raises(TaskerError, match=r"lacks a permission: .*keys.*docs/how-to/redis.md") as caught:
            store.poll(0)
        assert not isinstance(caught.value, StoreUnavailable)
    with closing(Store(url, namespace="billing")) as store:
        assert store.poll(0).now > 0
