"""A Redis server that freezes, dies, restarts, only reads or is full, and a network that swallows: calls end in time,
nothing is done by halves, and the store recovers.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import redis

from tasker.contract._promises import wait_for
from tasker.errors import StoreUnavailable
from tasker.ports import Action, Answer, Definition, Ending, Grant, Held, Outcome, Proposal, ScheduleState
from tasker.store.redis import Store
from tests._support.leftovers import busy_workers, timers
from tests._support.redis_server import RedisServer, own_redis  # noqa: F401 - a fixture

TTL = 60_000_000
LIMIT = 0.3
# A machine under load may wake a thread late; a call that is not bounded would take minutes.
SLACK = 3.0
AT_ONCE = {"repl-diskless-sync-delay": 0}


@contextmanager
def opened(url: str, call_limit: float = LIMIT) -> Iterator[Store]:
    # Made with patience, so that the first call is not what a slow machine fails at. The server gets to know the
    # scripts whose answers are to be lost, else that would be the answer that it does not.
    with closing(Store(url, call_limit=max(call_limit, 2))) as store:
        store.register([Definition("job", "every second")])
        store.claim("A", TTL, 0, [])
        store.finish("A", [])
        store.release("A", [])
        store.renew("A", TTL, [], 10)
        store.call_limit = call_limit
        yield store


@contextmanager
def within(limit: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit + SLACK


@pytest.fixture
def server(own_redis: RedisServer) -> RedisServer:  # noqa: F811
    own_redis.settle()
    return own_redis


def take(store: Store, owner: str = "A") -> Grant:
    slot = store.states(["job"])[0].decided + 1
    (grant,) = store.claim(owner, TTL, 1, [Proposal("job", slot)]).grants
    return grant


def ending(grant: Grant, outcome: Outcome = Outcome.SUCCEEDED) -> Ending:
    return Ending(id=grant.id, token=grant.token, outcome=outcome, through=grant.slot)


def recovers(call: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            call()
        except StoreUnavailable:
            assert time.monotonic() < end, "the store did not recover"
            time.sleep(0.02)
        else:
            return


class Network:
    """A way to a server that can swallow what it is given, on either way, or let it trickle."""

    def __init__(self, server: RedisServer) -> None:
        self._target = (server.host, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.loses_requests = False
        self.loses_answers = False
        self.trickles = False
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._listener], [], [], 0.02)[0]:
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._forward, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as upstream:
            while not self._is_over.is_set():
                for ready in select.select([client, upstream], [], [], 0.02)[0]:
                    try:
                        if not self._pass_on(ready, client, upstream):
                            return
                    except OSError:
                        return

    def _pass_on(self, ready: socket.socket, client: socket.socket, upstream: socket.socket) -> bool:
        data = ready.recv(65536)
        if not data:
            return False
        if ready is client and not self.loses_requests:
            upstream.sendall(data)
        elif ready is upstream and self.trickles:
            for byte in data:
                client.sendall(bytes([byte]))
                if self._is_over.wait(LIMIT / 4):
                    break
        elif ready is upstream and not self.loses_answers:
            client.sendall(data)
        return True


@pytest.fixture
def network(server: RedisServer) -> Iterator[Network]:
    with closing(Network(server)) as network:
        yield network


def test_every_call_on_a_frozen_server_ends_in_time(server: RedisServer) -> None:
    with opened(server.url()) as store:
        grant = take(store)
        server.freeze()
        try:
            for _ in range(2):  # on the connection that froze, then on one that never comes to be
                with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"):
                    store.poll(0)
                with within(0.1), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
                    store.renew("A", TTL, [Held("job", grant.token)], 0.1)
        finally:
            server.thaw()
        recovers(lambda: store.poll(0))
        recovers(lambda: store.renew("A", TTL, [], 1))
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_every_call_into_a_black_hole_ends_in_time(network: Network) -> None:
    with opened(network.url) as store:
        grant = take(store)
        network.loses_requests = network.loses_answers = True
        for _ in range(2):
            with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"):
                store.claim("A", TTL, 1, [Proposal("job", 1)])
            with within(0.1), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
                store.renew("A", TTL, [Held("job", grant.token)], 0.1)
        network.loses_requests = network.loses_answers = False
        recovers(lambda: store.poll(0))
        recovers(lambda: store.renew("A", TTL, [Held("job", grant.token)], 10))
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}


def test_an_answer_that_trickles_is_given_up_in_time(network: Network) -> None:
    with opened(network.url) as store:
        store.poll(0)
        network.trickles = True
        with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s") as caught:
            store.poll(0)
        # It was the answer that was cut off, not an attempt to connect that was waited for in vain.
        assert caught.value.__cause__ is not None


def test_what_never_accepts_a_connection_is_given_up_in_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # The queue of a listener that accepts nothing is full at once; then the network says nothing any more.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with closing(Store(f"redis://127.0.0.1:{port}/0", call_limit=LIMIT)) as store:
            for _ in range(2):
                with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer|Timeout connecting"):
                    store.poll(0)
        for filler in fillers:
            filler.close()


def test_a_name_that_cannot_be_resolved_makes_the_store_unavailable_in_time() -> None:
    with closing(Store("redis://nowhere.invalid:6379/0", call_limit=LIMIT)) as store:
        with within(LIMIT), pytest.raises(StoreUnavailable, match=r"nowhere\.invalid|did not answer"):
            store.poll(0)
        with within(LIMIT), pytest.raises(StoreUnavailable):
            store.renew("A", TTL, [], LIMIT)


def test_calls_that_gave_up_leave_nothing_behind_that_grows(server: RedisServer) -> None:
    with opened(server.url(), call_limit=0.02) as store:
        server.freeze()
        try:
            before = busy_workers(), timers()
            for _ in range(30):
                with pytest.raises(StoreUnavailable):
                    store.poll(0)
                with pytest.raises(StoreUnavailable):
                    store.renew("A", TTL, [], 0.02)
            # One attempt for each of the two connections is all that may be under way.
            assert busy_workers() <= before[0] + 2
            assert timers() <= before[1] + 2
        finally:
            server.thaw()


def test_closing_a_store_on_a_frozen_server_does_not_block(server: RedisServer) -> None:
    with opened(server.url()) as store:
        server.freeze()
        try:
            for _ in range(2):
                with within(LIMIT), pytest.raises(StoreUnavailable):
                    store.poll(0)
            with within(0):
                store.close()
        finally:
            server.thaw()


@pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill])
def test_a_restart_between_two_calls_is_no_error(end: Callable[[RedisServer], None]) -> None:
    with RedisServer(settings={"appendonly": "yes", "appendfsync": "always"}) as server:
        server.settle()
        with opened(server.url(), call_limit=10) as store:
            grant = take(store)
            end(server)
            server.start()
            assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
            assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_while_the_server_is_down_calls_fail_at_once_and_then_work_again(server: RedisServer) -> None:
    with opened(server.url(), call_limit=30) as store:
        server.kill()
        for _ in range(3):
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.poll(0)
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.renew("A", TTL, [], 30)
        server.start()
        store.poll(0)
        store.renew("A", TTL, [], 30)


def test_a_server_that_dies_during_a_call_makes_the_store_unavailable(server: RedisServer) -> None:
    with opened(server.url(), call_limit=30) as store:
        server.freeze()
        killer = threading.Timer(0.1, server.kill)
        killer.start()
        with within(1), pytest.raises(StoreUnavailable, match="Redis is not available"):
            store.poll(0)
        killer.join()
        server.start()
        store.poll(0)


def test_connections_that_an_administrator_ends_are_replaced(server: RedisServer) -> None:
    with opened(server.url(), call_limit=10) as store, closing(server.client()) as administrator:
        for _ in range(3):
            assert administrator.client_kill_filter(_type="normal", skipme=True) == 2
            store.poll(0)
            store.renew("A", TTL, [], 10)


def test_a_server_that_lets_nobody_in_makes_the_store_unavailable(server: RedisServer) -> None:
    with opened(server.url(), call_limit=10) as store, closing(server.client()) as administrator:
        store.close()
        administrator.config_set("maxclients", 1)
        with pytest.raises(StoreUnavailable, match="max number of clients"):
            store.poll(0)
        administrator.config_set("maxclients", 100)
        store.poll(0)


def test_a_server_that_only_reads_is_left_and_found_again(server: RedisServer) -> None:
    with opened(server.url(), call_limit=10) as store, RedisServer(settings=AT_ONCE) as primary:
        grant = take(store)
        server.execute("REPLICAOF", primary.host, primary.port)
        primary.settle()
        wait_for(lambda: server.execute("EXISTS", "{tasker:}:s:job") == 0, 20)
        for call in (
            lambda: store.renew("A", TTL, [Held("job", grant.token)], 10),
            lambda: store.finish("A", [ending(grant)]),
            lambda: store.register([Definition("job", "every second")]),
        ):
            with pytest.raises(StoreUnavailable, match="READONLY"):
                call()
        server.execute("REPLICAOF", "NO", "ONE")
        recovers(lambda: store.register([Definition("job", "every second")]))
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == frozenset()


def dump(server: RedisServer) -> dict[bytes, Any]:
    with closing(server.client()) as client:
        keys: Any = client.keys("{tasker:}:*")
        return {key: client.dump(key) for key in keys}


def each_change(store: Store, grant: Grant) -> list[Callable[[], object]]:
    second = Definition("second", "every second")
    return [
        lambda: store.register([Definition("job", "each minute"), second]),
        lambda: store.claim("A", TTL, 2, [Proposal("free", store.poll(0).now)]),
        lambda: store.renew("A", 2 * TTL, [Held("job", grant.token)], 10),
        lambda: store.finish("A", [ending(grant)]),
        lambda: store.finish("A", [ending(grant, Outcome.INTERRUPTED)]),
        lambda: store.release("A", [Held("job", grant.token)]),
        lambda: store.control(Action.PAUSE, ["free"]),
        lambda: store.control(Action.TRIGGER, None),
        lambda: store.acquire("A", TTL, ["key"]),
        lambda: store.beat("A", "name", "1"),
    ]


def check_that_nothing_is_done_by_halves(server: RedisServer, code: str, hinder: Any, let: Any) -> None:
    with opened(server.url(), call_limit=10) as store:
        store.register([Definition("free", "every second")])
        grant = take(store)
        before = dump(server)
        hinder()
        for change in each_change(store, grant):
            with pytest.raises(StoreUnavailable, match=code):
                change()
            assert dump(server) == before
        assert store.poll(0).now > 0
        assert [state.id for state in store.states()] == ["free", "job"]
        let()
        recovers(lambda: store.renew("A", TTL, [Held("job", grant.token)], 10))
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_a_server_without_memory_does_nothing_by_halves_and_goes_on_when_it_has_some(server: RedisServer) -> None:
    check_that_nothing_is_done_by_halves(
        server,
        "OOM",
        lambda: server.execute("CONFIG", "SET", "maxmemory", "1kb"),
        lambda: server.execute("CONFIG", "SET", "maxmemory", "0"),
    )


def test_a_server_without_replicas_does_nothing_by_halves_and_goes_on_when_it_may(server: RedisServer) -> None:
    check_that_nothing_is_done_by_halves(
        server,
        "NOREPLICAS",
        lambda: server.execute("CONFIG", "SET", "min-replicas-to-write", "1"),
        lambda: server.execute("CONFIG", "SET", "min-replicas-to-write", "0"),
    )


def test_a_server_that_cannot_save_does_nothing_by_halves_and_goes_on_when_it_can(server: RedisServer) -> None:
    def lose_the_disk() -> None:
        server.execute("CONFIG", "SET", "save", "3600 1")
        server.folder.chmod(0o555)
        server.execute("BGSAVE")
        wait_for(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "err", 20)

    def find_the_disk() -> None:
        server.folder.chmod(0o755)
        server.execute("BGSAVE")
        wait_for(lambda: server.execute("INFO", "persistence")["rdb_last_bgsave_status"] == "ok", 20)

    check_that_nothing_is_done_by_halves(server, "MISCONF", lose_the_disk, find_the_disk)


def test_a_server_that_is_busy_with_another_s_script_makes_the_store_unavailable(server: RedisServer) -> None:
    server.execute("CONFIG", "SET", "lua-time-limit", "10")
    with opened(server.url(), call_limit=10) as store:

        def hog() -> None:
            with closing(server.client()) as client, pytest.raises(redis.ResponseError):
                client.eval("while true do end", 0)

        thread = threading.Thread(target=hog)
        thread.start()
        with pytest.raises(StoreUnavailable, match="BUSY"):
            for _ in range(100_000):
                store.poll(0)
        server.execute("SCRIPT", "KILL")
        thread.join(10)
        recovers(lambda: store.poll(0))


def test_an_ending_whose_answer_was_lost_is_recorded_once(network: Network) -> None:
    with opened(network.url) as store:
        grant = take(store)
        network.loses_answers = True
        with pytest.raises(StoreUnavailable):
            store.finish("A", [ending(grant)])
        network.loses_answers = False
        answers = []
        recovers(lambda: answers.append(store.finish("A", [ending(grant)]).answers["job"]))
        assert answers[0] is Answer.ALREADY
        assert len(store.history("job", 10)) == 1


def test_a_claim_whose_answer_was_lost_is_taken_back_by_its_release(network: Network) -> None:
    with opened(network.url) as store:
        slot = store.states(["job"])[0].decided + 1
        network.loses_answers = True
        with pytest.raises(StoreUnavailable):
            store.claim("A", TTL, 1, [Proposal("job", slot)])
        network.loses_answers = False
        found: list[ScheduleState] = []
        recovers(lambda: found.extend(store.states(["job"])))
        released: list[frozenset[str]] = []
        recovers(lambda: released.append(store.release("A", [Held("job", found[0].token)]).ids))
        assert released == [{"job"}]
        assert take(store, "B").attempt == 1


def test_a_call_that_may_have_been_done_is_not_sent_again(network: Network, server: RedisServer) -> None:
    with opened(network.url) as store:
        store.beat("A", "name", "1")
        before = server.execute("INFO", "commandstats")["cmdstat_evalsha"]["calls"]
        network.loses_answers = True
        with pytest.raises(StoreUnavailable):
            store.beat("A", "name", "1")
        assert server.execute("INFO", "commandstats")["cmdstat_evalsha"]["calls"] == before + 1


def test_a_lease_outlives_a_freeze_that_is_shorter(server: RedisServer) -> None:
    with opened(server.url(), call_limit=10) as store:
        grant = take(store)
        server.freeze()
        threading.Timer(0.3, server.thaw).start()
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
