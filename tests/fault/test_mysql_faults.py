"""A MariaDB server that freezes, dies, restarts, only reads or is locked: calls end in time, the store recovers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest

from tasker.errors import StoreUnavailable
from tasker.ports import Action, Answer, Definition, Ending, Grant, Held, Outcome, Proposal
from tasker.store.mysql import Store
from tests._support.mariadb_server import (  # noqa: F401 - fixtures
    MariadbServer,
    mariadb_server,
    mariadb_url,
    own_mariadb,
    run,
)

TTL = 60_000_000
LIMIT = 0.4
# A machine under load may wake a thread late; a call that is not bounded would take minutes.
SLACK = 5.0


@contextmanager
def opened(url: str, call_limit: float = LIMIT, patience: float = 10.0) -> Iterator[Store]:
    # Made with patience, so that the first call, which makes the tables, is not what a slow machine fails at.
    with closing(Store(url, call_limit=patience)) as store:
        store.register([Definition("job", "every second")])
        store.renew("A", TTL, [], patience)
        store.call_limit = call_limit
        yield store


@contextmanager
def within(limit: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit + SLACK


def take(store: Store) -> Grant:
    now = store.register([Definition("job", "every second")]).now
    (grant,) = store.claim("A", TTL, 1, [Proposal("job", now)]).grants
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


# --- frozen ---


def test_every_call_on_a_frozen_server_ends_in_time(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t")) as store:
        grant = take(store)
        own_mariadb.freeze()
        try:
            for _ in range(2):  # on the connection that froze, then on one that never comes to be
                with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.4 s"):
                    store.poll(0)
                with within(0.1), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
                    store.renew("A", TTL, [Held("job", grant.token)], 0.1)
        finally:
            own_mariadb.thaw()
        recovers(lambda: store.poll(0))
        recovers(lambda: store.renew("A", TTL, [], 1))
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_a_server_that_was_frozen_for_longer_than_the_lease_gives_it_to_who_asks_first(
    own_mariadb: MariadbServer,  # noqa: F811
) -> None:
    with opened(own_mariadb.url("t"), 10) as store:
        now = store.register([Definition("job", "every second")]).now
        (grant,) = store.claim("A", 300_000, 1, [Proposal("job", now)]).grants
        own_mariadb.freeze()
        try:
            with pytest.raises(StoreUnavailable):
                store.renew("A", 300_000, [Held("job", grant.token)], 0.5)
        finally:
            own_mariadb.thaw()
        # What was sent to the frozen server may still be done: then the lease goes on for a while.
        end = time.monotonic() + 20
        while not (grants := store.claim("B", TTL, 1, [Proposal("job", now)]).grants):
            assert time.monotonic() < end
        assert (grants[0].slot, grants[0].attempt) == (grant.slot, 2)
        assert grants[0].token > grant.token
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == frozenset()
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.LOST
        assert [record.outcome for record in store.history("job", 10)] == [Outcome.LEASE_LOST]


def test_closing_a_store_on_a_frozen_server_does_not_block(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t")) as store:
        own_mariadb.freeze()
        try:
            with within(LIMIT), pytest.raises(StoreUnavailable):
                store.poll(0)
            with pytest.raises(StoreUnavailable):
                store.poll(0)
            with within(0):
                store.close()
        finally:
            own_mariadb.thaw()


# --- the network ---


class Proxy:
    """Stands between a store and a server, and may stop carrying one way or both."""

    def __init__(self, server: MariadbServer) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self.carries_requests = True
        self.carries_replies = True
        self._thread(self._accept)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _thread(self, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._server.host, self._server.port))
                self._sockets += [client, server]
                self._thread(self._carry, client, server, "carries_requests")
                self._thread(self._carry, server, client, "carries_replies")

    def _carry(self, source: socket.socket, target: socket.socket, permission: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if getattr(self, permission):
                    target.sendall(data)
            if getattr(self, permission):  # whoever vanishes does not say goodbye
                target.shutdown(socket.SHUT_WR)


@contextmanager
def through_proxy(server: MariadbServer, call_limit: float) -> Iterator[tuple[Store, Proxy, str]]:
    """Give a store that reaches a new database through a proxy, the proxy, and the name of the database."""
    with server.database() as name, closing(Proxy(server)) as proxy:
        with closing(Store(server.url(name), call_limit=10)) as maker:
            maker.states()
        with opened(f"mysql://tasker@127.0.0.1:{proxy.port}/{name}", call_limit, patience=3) as store:
            yield store, proxy, name


def test_a_network_that_swallows_everything_ends_no_call_late(mariadb_server: MariadbServer) -> None:  # noqa: F811
    with through_proxy(mariadb_server, LIMIT) as (store, proxy, _):
        proxy.carries_requests = proxy.carries_replies = False
        for _ in range(3):
            with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.4 s"):
                store.states()
            with within(0.1), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
                store.renew("A", TTL, [], 0.1)
        proxy.carries_requests = proxy.carries_replies = True
        recovers(store.states)
        recovers(lambda: store.renew("A", TTL, [], 5))


def test_a_claim_whose_answer_is_lost_can_be_taken_back(mariadb_server: MariadbServer) -> None:  # noqa: F811
    with through_proxy(mariadb_server, 2) as (store, proxy, name):
        now = store.register([Definition("job", "every second")]).now
        proxy.carries_replies = False
        with pytest.raises(StoreUnavailable):
            store.claim("A", TTL, 1, [Proposal("job", now)])
        proxy.carries_replies = True
        ((owner, attempt, token),) = mariadb_server.execute(
            "SELECT owner, attempt, token FROM tasker_schedule", database=name
        )
        assert (owner, attempt) == (b"A", 1), "the server has done what it was asked for"
        recovers(lambda: store.release("A", [Held("job", token)]))
        (state,) = store.states(["job"])
        assert (state.owner, state.slot, state.attempt) == (None, None, 0)


def test_an_ending_whose_answer_is_lost_is_recorded_once(mariadb_server: MariadbServer) -> None:  # noqa: F811
    with through_proxy(mariadb_server, 2) as (store, proxy, _):
        grant = take(store)
        proxy.carries_replies = False
        with pytest.raises(StoreUnavailable):
            store.finish("A", [ending(grant)])
        proxy.carries_replies = True
        answers: list[Answer] = []
        recovers(lambda: answers.append(store.finish("A", [ending(grant)]).answers["job"]))
        assert answers == [Answer.ALREADY]
        assert len(store.history("job", 10)) == 1


def test_a_machine_that_vanishes_in_the_middle_of_an_operation_leaves_no_lock(
    mariadb_server: MariadbServer,  # noqa: F811
) -> None:
    """The statements of a packet that were sent are run to their end, whoever is there to hear of it."""
    with (
        through_proxy(mariadb_server, 3) as (store, proxy, name),
        closing(mariadb_server.connect(name)) as other,
    ):
        grant = take(store)
        run(other, "START TRANSACTION", "SELECT 1 FROM tasker_schedule FOR UPDATE")
        calling = threading.Thread(target=lambda: swallow(lambda: store.finish("A", [ending(grant)])))
        calling.start()
        end = time.monotonic() + 20
        while mariadb_server.execute("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") == []:
            assert time.monotonic() < end
            time.sleep(0.15)
        proxy.carries_requests = proxy.carries_replies = False
        other.rollback()
        calling.join(30)
        with opened(mariadb_server.url(name), 10) as another:
            recovers(lambda: another.finish("A", [ending(grant)]))
            assert len(another.history("job", 10)) == 1


def test_a_machine_that_vanishes_when_an_operation_has_failed_half_way_leaves_its_locks_for_no_longer_than_its_limit(
    mariadb_server: MariadbServer,  # noqa: F811
) -> None:
    with (
        through_proxy(mariadb_server, 10) as (store, proxy, name),
        closing(mariadb_server.connect(name)) as other,
    ):
        store.register([Definition(id, "every second") for id in "ab"])
        locking = "SELECT 1 FROM tasker_schedule WHERE namespace = '' AND id = '{}' FOR UPDATE"
        run(other, "START TRANSACTION", locking.format("b"))
        # The row `a` is locked, and the wait for `b` ends with an error that nobody hears of.
        calling = threading.Thread(target=lambda: swallow(lambda: store.control(Action.PAUSE, ["a", "b"])))
        calling.start()
        end = time.monotonic() + 30
        while mariadb_server.execute("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") == []:
            assert time.monotonic() < end
            time.sleep(0.15)
        proxy.carries_requests = proxy.carries_replies = False
        limit = 90 if mariadb_server.is_mysql else 30  # see the two limits in `tasker.store.mysql._target`
        with closing(mariadb_server.connect(name)) as another:
            run(another, f"SET innodb_lock_wait_timeout = {limit}", "START TRANSACTION", locking.format("a"))
        other.rollback()
        calling.join(30)


def swallow(call: Callable[[], object]) -> None:
    with suppress(StoreUnavailable):
        call()


# --- gone, and back ---


@pytest.mark.parametrize("end", [MariadbServer.stop, MariadbServer.kill])
def test_a_restart_between_two_calls_is_no_error(
    own_mariadb: MariadbServer,  # noqa: F811
    end: Callable[[MariadbServer], None],
) -> None:
    with opened(own_mariadb.url("t"), call_limit=10) as store:
        grant = take(store)
        end(own_mariadb)
        own_mariadb.start()
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_while_the_server_is_down_calls_fail_at_once_and_then_work_again(
    own_mariadb: MariadbServer,  # noqa: F811
) -> None:
    with opened(own_mariadb.url("t"), call_limit=30) as store:
        own_mariadb.stop()
        for _ in range(3):
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.poll(0)
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.renew("A", TTL, [], 30)
        own_mariadb.start()
        store.poll(0)
        store.renew("A", TTL, [], 30)


def test_sessions_that_an_administrator_ends_are_replaced(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t"), call_limit=10) as store:
        for _ in range(3):
            own_mariadb.kill_sessions()
            store.poll(0)
            store.renew("A", TTL, [], 10)
        assert len(own_mariadb.execute("SELECT 1 FROM information_schema.processlist WHERE user = 'tasker'")) == 2


def test_a_session_that_is_ended_in_the_middle_of_a_call_makes_the_store_unavailable_once(
    own_mariadb: MariadbServer,  # noqa: F811
) -> None:
    with opened(own_mariadb.url("t"), call_limit=20) as store, closing(own_mariadb.connect("t")) as other:
        grant = take(store)
        run(other, "START TRANSACTION", "SELECT 1 FROM tasker_schedule FOR UPDATE")
        errors: list[BaseException] = []

        def finish() -> None:
            try:
                store.finish("A", [ending(grant)])
            except StoreUnavailable as error:
                errors.append(error)

        calling = threading.Thread(target=finish)
        calling.start()
        end = time.monotonic() + 20
        while not errors:
            assert time.monotonic() < end
            own_mariadb.kill_sessions()
            time.sleep(0.05)
        calling.join(30)
        other.rollback()
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_sessions_that_the_server_ends_because_they_are_idle_are_replaced(
    own_mariadb: MariadbServer,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasker.store.mysql._target._SETTINGS", ("SET SESSION wait_timeout = 1",))
    with opened(own_mariadb.url("t"), call_limit=10) as store:
        end = time.monotonic() + 20
        while own_mariadb.execute("SELECT 1 FROM information_schema.processlist WHERE user = 'tasker'"):
            assert time.monotonic() < end
            time.sleep(0.05)
        store.poll(0)
        store.renew("A", TTL, [], 10)


# --- there, and of no use ---


def test_a_server_that_only_reads_is_left_and_found_again(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t"), 10) as store:
        grant = take(store)
        before = own_mariadb.execute("SELECT id FROM information_schema.processlist WHERE user = 'tasker'")
        own_mariadb.execute("SET GLOBAL read_only = 1")
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.renew("A", TTL, [Held("job", grant.token)], 10)
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.finish("A", [ending(grant)])
        store.poll(0)
        assert [state.id for state in store.states()] == ["job"]
        own_mariadb.execute("SET GLOBAL read_only = 0")
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED
        after = own_mariadb.execute("SELECT id FROM information_schema.processlist WHERE user = 'tasker'")
        assert set(before).isdisjoint(after), "a connection that led to a server that only reads was kept"


def test_too_many_connections_make_the_store_unavailable(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t"), 10) as store:
        own_mariadb.execute("SET GLOBAL max_connections = 10")
        store.close()
        others: list[Any] = []
        with suppress(Exception):
            while len(others) < 20:
                others.append(own_mariadb.connect("t", user="tasker"))
        with pytest.raises(StoreUnavailable, match="Too many connections"):
            store.poll(0)
        for other in others:
            other.close()
        recovers(lambda: store.poll(0))


def test_calls_that_gave_up_on_a_locked_table_do_not_pile_up_in_the_server(
    mariadb_server: MariadbServer,  # noqa: F811
    mariadb_url: str,  # noqa: F811
) -> None:
    database = mariadb_url.rpartition("/")[2]
    known = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{database}'"
    with opened(mariadb_url), closing(mariadb_server.connect(database)) as administrator:
        run(administrator, "LOCK TABLES tasker_schedule WRITE")
        before = mariadb_server.execute(known)
        with closing(Store(mariadb_url, call_limit=LIMIT)) as store:
            for _ in range(5):
                with within(LIMIT), pytest.raises(StoreUnavailable):
                    store.states()
            end = time.monotonic() + 20
            while mariadb_server.execute(known) > before:
                assert time.monotonic() < end
                time.sleep(0.05)
            run(administrator, "UNLOCK TABLES")
            recovers(store.states)


def test_a_commit_that_hangs_and_lands_later_harms_nothing(own_mariadb: MariadbServer) -> None:  # noqa: F811
    with opened(own_mariadb.url("t"), 10) as store, closing(own_mariadb.connect("t")) as administrator:
        grant = take(store)
        run(administrator, "FLUSH TABLES WITH READ LOCK")
        store.call_limit = LIMIT
        with within(LIMIT), pytest.raises(StoreUnavailable):
            store.finish("A", [ending(grant)])
        with within(LIMIT), pytest.raises(StoreUnavailable):
            store.renew("A", TTL, [Held("job", grant.token)], LIMIT)
        run(administrator, "UNLOCK TABLES")
        store.call_limit = 10
        answers: list[Answer] = []
        recovers(lambda: answers.append(store.finish("A", [ending(grant)]).answers["job"]))
        assert answers[0] in (Answer.RECORDED, Answer.ALREADY)
        assert len(store.history("job", 10)) == 1
