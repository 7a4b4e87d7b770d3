"""The Redis store in a cluster: one shard for a namespace, found from any node, and every key named to the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from threading import Semaphore, Thread
from typing import Any

import pytest
import redis
from redis.cluster import ClusterNode
from redis.crc import key_slot

from tasker.contract._promises import wait_for
from tasker.errors import StoreUnavailable, TaskerError
from tasker.ports import Action, Definition, Ending, Grant, Held, Outcome, Passed, Proposal, Reason, ScheduleState, Skip
from tasker.store.redis import Repository, Store
from tests._support.redis_server import (
    RedisServer,
    redis_server,  # noqa: F401 - a fixture
    redis_url,  # noqa: F401 - a fixture
)
from tests._support.server_process import free_port

TTL = 60_000_000
SLOTS = 16_384
SETTINGS = {"cluster-enabled": "yes", "cluster-node-timeout": 2000}
STRANGE = ("job", "{other}", "}{", "a b:c", "\u2713 \U0001f680", "{tasker:billing}")


def slot_of(namespace: str) -> int:
    return key_slot(f"{{tasker:{namespace}}}:meta".encode())


class Cluster:
    """Two nodes that share the slots, each half of them."""

    def __init__(self, stack: ExitStack) -> None:
        # By themselves they would talk on ports of their own that are 10,000 higher, which there may not be.
        buses = [free_port(), free_port()]
        self.nodes = [stack.enter_context(RedisServer(settings={**SETTINGS, "cluster-port": bus})) for bus in buses]
        first, second = self.nodes
        first.execute("CLUSTER", "ADDSLOTS", *range(SLOTS // 2))
        second.execute("CLUSTER", "ADDSLOTS", *range(SLOTS // 2, SLOTS))
        second.execute("CLUSTER", "SET-CONFIG-EPOCH", 2)
        first.execute("CLUSTER", "MEET", second.host, second.port, buses[1])
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        wait_for(lambda: all(self._is_ready(node) for node in self.nodes), 30)

    def _is_ready(self, node: RedisServer) -> bool:
        about: bytes = node.execute("CLUSTER", "INFO")
        return b"cluster_state:ok" in about and b"cluster_known_nodes:2" in about

    def owner(self, namespace: str) -> RedisServer:
        return self.nodes[slot_of(namespace) * 2 // SLOTS]

    def other(self, namespace: str) -> RedisServer:
        return self.nodes[1 - slot_of(namespace) * 2 // SLOTS]

    def client(self, **options: Any) -> redis.RedisCluster:
        make: Any = ClusterNode
        nodes = [make(node.host, node.port) for node in self.nodes]
        return redis.RedisCluster(startup_nodes=nodes, **options)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack)


@pytest.fixture(params=["billing", "shipping", ""])
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name: str = request.param
    for node in cluster.nodes:
        node.execute("FLUSHALL")
    cluster.owner(name).settle(name)
    return name


def use_everything(store: Store) -> None:
    ids = list(STRANGE)
    states = store.register([Definition(id, "every second " * 12, next_slot=7) for id in ids]).states
    assert [state.id for state in states] == ids
    slot = max(state.decided for state in states) + 1
    wait_for(lambda: store.poll(0).now > slot)
    through = slot + 1
    passed = Passed(slot, through, 1, Reason.MISFIRED)
    assert store.skip([Skip(ids[0], through, passed)]).ids == {ids[0]}
    grants = store.claim("A", TTL, 99, [Proposal(id, slot) for id in ids]).grants
    assert {grant.id for grant in grants} == set(ids[1:])
    held = [Held(grant.id, grant.token) for grant in grants]
    assert store.renew("A", TTL, held, 10).kept == set(ids[1:])
    assert store.release("A", held[:1]).ids == set(ids[1:2])
    endings = [_ending(grant, index) for index, grant in enumerate(grants)]
    store.finish("A", endings)
    store.finish("A", endings)
    store.register([Definition(id, "each minute") for id in ids])
    for action in Action:
        assert store.control(action, None).ids == set(ids)
        assert store.control(action, ids[:2]).ids == set(ids[:2])
    assert len(store.poll(0).states) == len(ids)
    assert len(store.states()) == len(store.states(ids)) == len(ids)
    assert len(store.history(ids[2], 10)) == 2
    assert store.trim(ids, 1, 0) >= 1
    locks = store.acquire("A", TTL, ids).grants
    store.extend("A", TTL, [Held(lock.key, lock.token) for lock in locks], 10)
    assert store.free("A", [Held(lock.key, lock.token) for lock in locks]).ids == set(ids)
    store.beat("A", "name", "1")
    assert store.drain(["A"], draining=True).ids == {"A"}
    assert [each.owner for each in store.instances()] == ["A"]
    store.leave(["A"])
    assert store.purge(store.poll(0).now + 1).ids == set(ids)


def _ending(grant: Grant, index: int) -> Ending:
    outcome = Outcome.INTERRUPTED if index % 2 else Outcome.FAILED
    through = None if index % 2 else grant.slot
    return Ending(id=grant.id, token=grant.token, outcome=outcome, through=through, error="an error")


def test_a_namespace_is_on_one_node_and_is_found_from_any(cluster: Cluster, namespace: str) -> None:
    for node in (cluster.owner(namespace), cluster.other(namespace)):
        with closing(Store(node.url(), namespace=namespace, call_limit=10)) as store:
            use_everything(store)
            store.register([Definition("job", "every second")])
            store.renew("A", TTL, [], 10)
    assert cluster.owner(namespace).execute("DBSIZE") > 0
    assert cluster.other(namespace).execute("DBSIZE") == 0


def test_namespaces_are_on_several_shards() -> None:
    assert {slot_of(name) * 2 // SLOTS for name in ("billing", "shipping")} == {0, 1}


@pytest.mark.parametrize("decodes", [False, True])
def test_a_client_of_the_cluster_says_how_to_connect(cluster: Cluster, namespace: str, decodes: bool) -> None:
    with closing(cluster.client(decode_responses=decodes)) as client:
        with closing(Store(client, namespace=namespace, call_limit=10)) as store:
            use_everything(store)
            assert "a cluster" in repr(store)
        with closing(Repository(client, namespace=namespace)) as repository:
            repository.update(ScheduleState(id="job", decided=1))
            assert repository.find_by_id("job") == ScheduleState(id="job", decided=1)
        assert client.ping(target_nodes=redis.RedisCluster.ALL_NODES)


def test_a_client_of_the_cluster_finds_another_node_when_one_is_frozen(cluster: Cluster) -> None:
    first, second = sorted(cluster.nodes, key=lambda node: f"{node.host}:{node.port}")
    namespace = next(name for name in ("billing", "shipping") if cluster.owner(name) is second)
    second.settle(namespace)
    with closing(cluster.client()) as client, closing(Store(client, namespace=namespace, call_limit=0.5)) as store:
        first.freeze()
        try:
            end = time.monotonic() + 20
            while True:
                try:
                    store.poll(0)
                    break
                except StoreUnavailable:
                    assert time.monotonic() < end, "the node that lives was not found"
        finally:
            first.thaw()
            cluster.wait_until_ready()


@pytest.mark.parametrize("namespace", ["billing", "shipping"])
def test_the_bell_is_heard_on_any_node_of_the_cluster(cluster: Cluster, namespace: str) -> None:
    cluster.owner(namespace).settle(namespace)
    heard = Semaphore(0)
    with (
        closing(cluster.client()) as client,
        closing(Store(client, namespace=namespace, call_limit=10, listen=True)) as store,
    ):
        store.register([Definition("job", "every second")])
        stop = store.listen(heard.release)
        assert heard.acquire(timeout=30)
        store.control(Action.PAUSE, ["job"])
        assert heard.acquire(timeout=30)
        stop()


def test_a_slot_that_is_being_moved_makes_the_store_unavailable(cluster: Cluster) -> None:
    namespace = "billing"
    owner, other = cluster.owner(namespace), cluster.other(namespace)
    owner.settle(namespace)
    with closing(Store(owner.url(), namespace=namespace, call_limit=10)) as store:
        store.register([Definition("job", "every second")])
        slot = slot_of(namespace)
        other.execute("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.execute("CLUSTER", "MYID"))
        owner.execute("CLUSTER", "SETSLOT", slot, "MIGRATING", other.execute("CLUSTER", "MYID"))
        try:
            with pytest.raises(StoreUnavailable, match=r"ASK|TRYAGAIN"):
                store.register([Definition("new", "every second")])
        finally:
            for node in (owner, other):
                node.execute("CLUSTER", "SETSLOT", slot, "STABLE")
        assert [state.id for state in store.states()] == ["job"]


def test_a_database_that_a_cluster_has_not_is_refused_for_good(cluster: Cluster) -> None:
    with closing(Store(cluster.nodes[0].url(3), call_limit=10)) as store:
        with pytest.raises(TaskerError, match=r"refuses the operation.*(cluster mode|DB index)") as caught:
            store.poll(0)
        assert not isinstance(caught.value, StoreUnavailable)


def test_every_key_that_a_script_touches_is_named_to_the_server(
    redis_url: str,  # noqa: F811
    redis_server: RedisServer,  # noqa: F811
) -> None:
    seen: list[dict[str, Any]] = []
    with closing(redis_server.client()) as client, _monitor_of(client) as monitor:

        def listen() -> None:
            while (entry := monitor.next_command())["command"] != "ECHO over":
                seen.append(entry)

        thread = Thread(target=listen)
        thread.start()
        with closing(Store(redis_url, call_limit=10)) as store:
            use_everything(store)
        with closing(Repository(redis_url)) as repository:
            repository.create(ScheduleState(id="job", decided=1))
            repository.update(ScheduleState(id="job", decided=2))
            repository.find_by_id("job")
            repository.delete_by_id("job")
        redis_server.execute("ECHO", "over")
        thread.join(30)
    named: set[str] = set()
    touched = 0
    for entry in seen:
        command = entry["command"]
        name, *rest = command.split(" ")
        if entry["client_type"] != "lua":
            if name in ("EVAL", "EVALSHA"):
                named = _keys_in(command)
            continue
        if name != "TIME":
            touched += 1
            keys = " ".join(rest)
            assert any(keys == key or keys.startswith(f"{key} ") for key in named), f"not named: {command}"
    assert touched > 300


def _monitor_of(client: Any) -> Any:
    return client.monitor()


def _keys_in(command: str) -> set[str]:
    """Return the keys in a command of the monitor, which has put blanks where there may also be some in a key."""
    found = command.split(" {tasker:}:")[1:]
    return {"{tasker:}:" + each for each in found} | {"{tasker:}:" + each.split(" ")[0] for each in found}
