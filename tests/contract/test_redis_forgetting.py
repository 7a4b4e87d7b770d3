"""After a restart, a failover or a deletion nobody is given a lease, until those that may be forgotten are over."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tasker.contract._promises import wait_for
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Answer, Definition, Ending, Grant, Held, Outcome, Proposal
from tasker.store.redis import Store
from tests._support.redis_server import (
    RedisServer,
    own_redis,  # noqa: F401 - a fixture
    redis_server,  # noqa: F401 - a fixture
    redis_url,  # noqa: F401 - a fixture
)

SECOND = 1_000_000
LONG = 60 * SECOND
TTL = 600_000


@pytest.fixture
def open_store() -> Iterator[Opener]:
    with ExitStack() as stack:
        yield Opener(stack)


class Opener:
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, server: RedisServer) -> Store:
        store = Store(server.url(), call_limit=10)
        self._stack.callback(store.close)
        return store


def propose(store: Store, owner: str = "A", ttl: int = TTL) -> tuple[Grant, ...]:
    slot = store.register([Definition("job", "every second")]).states[0].decided + 1
    return store.claim(owner, ttl, 1, [Proposal("job", slot)]).grants


def take(store: Store, owner: str = "A", ttl: int = TTL) -> Grant:
    (grant,) = propose(store, owner, ttl)
    return grant


def wait_for_a_grant(store: Store, ttl: int = TTL) -> tuple[Grant, int]:
    """Propose until it is given; return what was, and when by the store's clock the last refusal was."""
    refused = 0
    end = time.monotonic() + 20
    while not (grants := propose(store, "B", ttl)):
        assert time.monotonic() < end
        refused = store.poll(0).now
    return grants[0], refused


def since(server: RedisServer) -> int:
    return int(server.execute("HGET", "{tasker:}:meta", "since"))


def test_a_server_that_has_just_begun_gives_nothing_for_the_length_of_a_lease(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_store(own_redis)
    with caplog.at_level(logging.WARNING, logger="tasker"):
        assert propose(store, ttl=LONG) == ()
        assert store.acquire("A", LONG, ["key"]).grants == ()
    (record,) = caplog.records
    assert "gives nothing for" in record.getMessage()
    assert f"redis://127.0.0.1:{own_redis.port}/0" in record.getMessage()
    claimed = store.claim("A", LONG, 1, [Proposal("job", 1)])
    assert [state.id for state in claimed.refused] == ["job"]
    assert claimed.not_before == since(own_redis) + LONG
    wait_for(lambda: store.poll(0).now > since(own_redis) + TTL)
    assert take(store).slot > 0
    assert len(store.acquire("A", TTL, ["key"]).grants) == 1


def test_a_server_that_has_run_for_long_gives_at_once(
    redis_url: str,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    uptime = int(redis_server.execute("INFO", "server")["uptime_in_seconds"])
    redis_server.execute("FLUSHALL")
    store = open_store(redis_server)
    began = store.poll(0).now - (uptime + 2) * SECOND
    assert began <= since(redis_server) <= began + 4 * SECOND
    assert len(propose(store, ttl=1)) == 1
    assert store.claim("A", 1, 1, []).not_before is None


def test_after_a_restart_with_nothing_left_nobody_claims_for_the_length_of_a_lease(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    first, second = open_store(own_redis), open_store(own_redis)
    grant = take(first)
    own_redis.restart()
    assert first.renew("A", TTL, [Held("job", grant.token)], 10).kept == frozenset()
    restarted = second.poll(0).now
    again, refused = wait_for_a_grant(second)
    assert refused >= restarted
    assert again.lease_until - TTL >= since(own_redis) + TTL
    assert again.token > grant.token
    ending = Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)
    assert first.finish("A", [ending]).answers["job"] is Answer.LOST


def test_after_a_restart_with_its_data_the_holder_goes_on_and_nobody_else_begins(
    open_store: Opener,
) -> None:
    with RedisServer(settings={"appendonly": "yes", "appendfsync": "always"}) as server:
        server.settle()
        store, other = open_store(server), open_store(server)
        store.register([Definition("other", "every second")])
        grant = take(store)
        server.restart()
        restarted = other.poll(0).now
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
        assert since(server) >= restarted - 5 * SECOND
        assert other.claim("B", LONG, 1, [Proposal("other", restarted)]).grants == ()
        ending = Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)
        assert store.finish("A", [ending]).answers["job"] is Answer.RECORDED


def test_a_replica_that_takes_over_gives_nothing_for_the_length_of_a_lease(open_store: Opener) -> None:
    at_once = {"repl-diskless-sync-delay": 0}
    with (
        RedisServer(settings=at_once) as primary,
        RedisServer(settings={"replicaof": [primary.host, primary.port]}) as replica,
    ):
        primary.settle()
        store = open_store(primary)
        store.register([Definition("job", "every second")])
        wait_for(lambda: replica.execute("EXISTS", "{tasker:}:s:job") == 1)
        # It hears nothing of this claim, as it is cut off; then it takes over.
        replica.execute("REPLICAOF", "NO", "ONE")
        lost = take(store)
        after = open_store(replica)
        grant, refused = wait_for_a_grant(after)
        assert refused > 0
        assert grant.lease_until - TTL >= lost.lease_until
        assert grant.token > lost.token
        assert after.renew("A", TTL, [Held("job", lost.token)], 10).kept == frozenset()


def test_when_all_is_deleted_those_who_knew_the_store_keep_newcomers_waiting(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    old, new = open_store(own_redis), open_store(own_redis)
    grant = take(old, ttl=LONG)
    own_redis.execute("FLUSHALL")
    new.register([Definition("job", "every second")])
    heard = old.renew("A", LONG, [Held("job", grant.token)], 10)
    assert heard.kept == frozenset()
    assert propose(new, "B", ttl=LONG) == (), "a lease was given while the holder of the deleted one may rely on it"
    assert grant.lease_until - LONG <= since(own_redis) <= heard.now
    again, _ = wait_for_a_grant(new)
    assert again.lease_until - TTL >= since(own_redis) + TTL


def test_a_newcomer_is_not_kept_waiting_by_those_who_heard_of_the_deletion_long_ago(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    old, new = open_store(own_redis), open_store(own_redis)
    take(old)
    own_redis.execute("FLUSHALL")
    new.register([Definition("job", "every second")])
    old.poll(0)
    wait_for_a_grant(new)
    before = since(own_redis)
    for store in (old, new, old):
        store.poll(0)
        store.renew("A", TTL, [], 10)
    assert since(own_redis) == before


def test_every_process_may_say_what_it_knew_and_the_latest_counts(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    early, late = open_store(own_redis), open_store(own_redis)
    early_heard = early.poll(0).now
    wait_for(lambda: late.poll(0).now > early_heard + 1_000)
    late_heard = late.poll(0).now
    own_redis.execute("FLUSHALL")
    late.poll(0)
    early.poll(0)
    assert late_heard <= since(own_redis) < late_heard + SECOND


def test_the_tokens_of_locks_grow_over_a_restart_with_nothing_left(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    store = open_store(own_redis)
    (first,) = store.acquire("A", TTL, ["key"]).grants
    own_redis.restart()
    end = time.monotonic() + 20
    while not (grants := store.acquire("B", TTL, ["key"]).grants):
        assert time.monotonic() < end
    assert grants[0].token > first.token
    assert grants[0].lease_until - TTL >= first.lease_until - TTL
    assert store.extend("A", TTL, [Held("key", first.token)], 10).kept == frozenset()


def test_the_bell_is_heard_by_those_who_heard_it_before_everything_was_lost(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    store = open_store(own_redis)
    store.register([Definition("job", "every second")])
    store.control("pause", ["job"])  # type: ignore[arg-type]
    epoch = store.poll(0).epoch
    own_redis.restart()
    store.register([Definition("job", "every second")])
    store.control("trigger", ["job"])  # type: ignore[arg-type]
    assert [state.id for state in store.poll(epoch).states] == ["job"]


def test_keys_of_a_newer_version_are_refused_for_good(
    own_redis: RedisServer,  # noqa: F811
    open_store: Opener,
) -> None:
    own_redis.settle()
    own_redis.execute("HSET", "{tasker:}:meta", "format", 2)
    with pytest.raises(TaskerError, match="newer version of tasker has changed the format of the keys to 2") as caught:
        open_store(own_redis).poll(0)
    assert not isinstance(caught.value, StoreUnavailable)
