"""A PostgreSQL server that freezes, dies, restarts, only reads or is locked: calls end in time, the store recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from tasker.errors import StoreUnavailable
from tasker.ports import Answer, Definition, Ending, Grant, Held, Outcome, Proposal
from tasker.store.postgresql import Store
from tests._support.postgres import PostgresServer, own_postgres, postgres_server, postgres_url  # noqa: F401 - fixtures

TTL = 60_000_000
LIMIT = 0.4
# A machine under load may wake a thread late; a call that is not bounded would take minutes.
SLACK = 3.0


@contextmanager
def opened(url_or_pool: Any, call_limit: float = LIMIT) -> Iterator[Store]:
    # Made with patience, so that the first call, which makes the tables, is not what a slow machine fails at.
    with closing(Store(url_or_pool, call_limit=10)) as store:
        store.register([Definition("job", "every second")])
        store.renew("A", TTL, [], 10)
        store.call_limit = call_limit
        yield store


@contextmanager
def pool_of(url: str, size: int = 1) -> Iterator[ConnectionPool[Any]]:
    with ConnectionPool(url, min_size=size, max_size=size, open=True, reconnect_timeout=60) as pool:
        pool.wait()
        yield pool


@contextmanager
def within(limit: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit + SLACK


def take(store: Store) -> Grant:
    slot = store.states(["job"])[0].decided + 1
    (grant,) = store.claim("A", TTL, 1, [Proposal("job", slot)]).grants
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


def held_connections(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_every_call_on_a_frozen_server_ends_in_time(own_postgres: PostgresServer) -> None:  # noqa: F811
    with opened(own_postgres.url()) as store:
        grant = take(store)
        own_postgres.freeze()
        try:
            for _ in range(2):  # on the connection that froze, then on one that never comes to be
                with within(LIMIT), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.4 s"):
                    store.poll(0)
                with within(0.1), pytest.raises(StoreUnavailable, match=r"did not answer within 0\.1 s"):
                    store.renew("A", TTL, [Held("job", grant.token)], 0.1)
        finally:
            own_postgres.thaw()
        recovers(lambda: store.poll(0))
        recovers(lambda: store.renew("A", TTL, [], 1))
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_a_frozen_server_behind_a_pool_is_bounded_too(own_postgres: PostgresServer) -> None:  # noqa: F811
    with pool_of(own_postgres.url()) as pool, opened(pool) as store:
        own_postgres.freeze()
        try:
            for _ in range(2):
                with within(LIMIT), pytest.raises(StoreUnavailable):
                    store.poll(0)
        finally:
            own_postgres.thaw()
        recovers(lambda: store.poll(0))


def test_closing_a_store_on_a_frozen_server_does_not_block(own_postgres: PostgresServer) -> None:  # noqa: F811
    with opened(own_postgres.url()) as store:
        own_postgres.freeze()
        try:
            with within(LIMIT), pytest.raises(StoreUnavailable):
                store.poll(0)
            with pytest.raises(StoreUnavailable):
                store.poll(0)
            with within(0):
                store.close()
        finally:
            own_postgres.thaw()


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.crash, PostgresServer.kill])
def test_a_restart_between_two_calls_is_no_error(
    own_postgres: PostgresServer,  # noqa: F811
    end: Callable[[PostgresServer], None],
) -> None:
    with opened(own_postgres.url(), call_limit=10) as store:
        grant = take(store)
        end(own_postgres)
        own_postgres.start()
        assert store.renew("A", TTL, [Held("job", grant.token)], 10).kept == {"job"}
        assert store.finish("A", [ending(grant)]).answers["job"] is Answer.RECORDED


def test_a_restart_between_two_calls_is_no_error_with_a_pool(own_postgres: PostgresServer) -> None:  # noqa: F811
    with pool_of(own_postgres.url(), size=4) as pool, opened(pool, call_limit=10) as store:
        own_postgres.restart()
        for _ in range(4):
            store.poll(0)


def test_while_the_server_is_down_calls_fail_at_once_and_then_work_again(
    own_postgres: PostgresServer,  # noqa: F811
) -> None:
    with opened(own_postgres.url(), call_limit=30) as store:
        own_postgres.stop()
        for _ in range(3):
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.poll(0)
            with within(0), pytest.raises(StoreUnavailable, match="Connection refused"):
                store.renew("A", TTL, [], 30)
        own_postgres.start()
        store.poll(0)
        store.renew("A", TTL, [], 30)


def test_sessions_that_an_administrator_ends_are_replaced(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url, call_limit=10) as store, psycopg.connect(postgres_url, autocommit=True) as administrator:
        for _ in range(3):
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            administrator.execute(f"SELECT pg_terminate_backend(pid) {others}")
            end = time.monotonic() + 10
            while administrator.execute(f"SELECT 1 {others}").fetchone():
                assert time.monotonic() < end
                time.sleep(0.01)
            store.poll(0)
            store.renew("A", TTL, [], 10)
        assert held_connections(postgres_url) == 3


@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_server_that_only_reads_is_left_and_found_again(
    own_postgres: PostgresServer,  # noqa: F811
    is_pooled: bool,
) -> None:
    with pool_of(own_postgres.url()) as pool, opened(pool if is_pooled else own_postgres.url(), 10) as store:
        grant = take(store)
        own_postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        own_postgres.execute("SELECT pg_reload_conf()")

        def is_read_only() -> bool:
            try:
                store.renew("A", TTL, [Held("job", grant.token)], 10)
            except StoreUnavailable as error:
                return "read-only" in str(error)
            return False

        end = time.monotonic() + 20
        while not is_read_only():
            assert time.monotonic() < end
        with pytest.raises(StoreUnavailable, match="read-only"):
            store.finish("A", [ending(grant)])
        with own_postgres.connect(options="-c default_transaction_read_only=off") as connection:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")
        recovers(lambda: store.renew("A", TTL, [Held("job", grant.token)], 10))
        recovers(lambda: store.finish("A", [ending(grant)]))
        assert [record.outcome for record in store.history("job", 10)] == [Outcome.SUCCEEDED]


def test_calls_that_gave_up_on_a_locked_table_do_not_pile_up_in_the_server(
    postgres_url: str,  # noqa: F811
) -> None:
    with opened(postgres_url), psycopg.connect(postgres_url) as administrator:
        known = held_connections(postgres_url)
        administrator.execute("LOCK TABLE tasker_schedule")
        with closing(Store(postgres_url, call_limit=LIMIT)) as store:
            for _ in range(5):
                with within(LIMIT), pytest.raises(StoreUnavailable):
                    store.states()
            end = time.monotonic() + 20
            while held_connections(postgres_url) > known:
                assert time.monotonic() < end
            administrator.rollback()
            recovers(store.states)


def test_an_ending_whose_answer_was_lost_is_recorded_once(postgres_url: str) -> None:  # noqa: F811
    with opened(postgres_url) as store, psycopg.connect(postgres_url) as other:
        grant = take(store)
        other.execute("SELECT FROM tasker_schedule FOR UPDATE")
        with pytest.raises(StoreUnavailable):
            store.finish("A", [ending(grant)])
        other.rollback()
        answers = []
        recovers(lambda: answers.append(store.finish("A", [ending(grant)]).answers["job"]))
        assert answers[0] in (Answer.RECORDED, Answer.ALREADY)
        assert len(store.history("job", 10)) == 1


def test_an_ending_that_waited_for_a_takeover_is_lost(postgres_url: str) -> None:  # noqa: F811
    answers: list[Answer] = []
    with opened(postgres_url, 30) as store, psycopg.connect(postgres_url) as other:
        grant = take(store)
        other.execute("UPDATE tasker_schedule SET token = token + 1, owner = 'B'")
        thread = threading.Thread(target=lambda: answers.append(store.finish("A", [ending(grant)]).answers["job"]))
        thread.start()
        wait_for_waiters(postgres_url, 1)
        other.commit()
        thread.join(30)
        assert answers == [Answer.LOST]
        assert store.history("job", 10) == ()


def test_of_two_equal_endings_at_once_one_is_recorded_and_the_other_is_told_so(
    postgres_url: str,  # noqa: F811
) -> None:
    answers: list[Answer] = []
    with opened(postgres_url, 30) as one, opened(postgres_url, 30) as two, psycopg.connect(postgres_url) as other:
        grant = take(one)
        other.execute("SELECT FROM tasker_schedule FOR UPDATE")

        def finish(store: Store) -> None:
            answers.append(store.finish("A", [ending(grant)]).answers["job"])

        threads = [threading.Thread(target=finish, args=(store,)) for store in (one, two)]
        for thread in threads:
            thread.start()
        wait_for_waiters(postgres_url, 2)
        other.commit()
        for thread in threads:
            thread.join(30)
        assert sorted(answers) == [Answer.ALREADY, Answer.RECORDED]
        assert len(one.history("job", 10)) == 1


def wait_for_waiters(url: str, count: int) -> None:
    end = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
            if row == (count,):
                return
            assert time.monotonic() < end
            time.sleep(0.01)


def test_operations_in_any_order_of_ids_never_deadlock(postgres_url: str) -> None:  # noqa: F811
    ids = [f"job {number}" for number in range(200)]
    errors: list[BaseException] = []
    with opened(postgres_url, 30) as first:
        first.register([Definition(id, "every second") for id in ids])

        def work(number: int) -> None:
            order = ids[number * 37 :] + ids[: number * 37]
            owner = f"owner {number}"
            owners = [f"owner {each % 4}" for each in range(number, number + 4)]
            try:
                with closing(Store(postgres_url, call_limit=30)) as store:
                    for _ in range(10):
                        slot = store.poll(0).now
                        grants = store.claim(owner, TTL, 60, [Proposal(id, slot) for id in order]).grants
                        held = [Held(grant.id, grant.token) for grant in grants]
                        store.renew(owner, TTL, held, 30)
                        store.control("trigger", order)  # type: ignore[arg-type]
                        interrupted = [
                            Ending(id=grant.id, token=grant.token, outcome=Outcome.INTERRUPTED, through=None)
                            for grant in grants
                        ]
                        store.finish(owner, interrupted[::2])
                        store.release(owner, held)
                        store.beat(owner, "worker", "1")
                        store.drain([*order, *owners], draining=bool(number % 2))
                        store.leave(owners)
                        store.purge(slot)
                        store.register([Definition(id, f"of {number}") for id in order])
                        store.acquire(owner, 1, order)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert errors == []
