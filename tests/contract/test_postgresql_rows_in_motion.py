"""A row that another statement changes just before it is locked: what is answered has really been done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

import psycopg
import pytest

from tasker.ports import Action, Answer, Definition, Ending, Held, Outcome, Passed, Proposal, Reason, Skip
from tasker.store.postgresql import Store
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures

T = TypeVar("T")
OWNER = "00000000-0000-0000-0000-000000000001"
TTL = 60_000_000
PATIENCE = 20.0


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:  # noqa: F811 - that is how fixtures are asked for
    with closing(Store(postgres_url, call_limit=PATIENCE)) as opened:
        opened.register([Definition("job", "every second")])
        yield opened


def while_the_row_moves(url: str, table: str, call: Callable[[], T], column: str = "token") -> T:
    """Let a call wait for the lock of a row that is changed, and go on when the change is committed."""
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute(f"UPDATE {table} SET {column} = {column}".encode())
        called = pool.submit(call)
        wait_until_somebody_waits(url)
        other.commit()
        return called.result(PATIENCE)


def wait_until_somebody_waits(url: str) -> None:
    waiting = b"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    end = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < end:
            (row,) = connection.execute(waiting).fetchall()
            if row[0]:
                return
    raise AssertionError("no call waits for the lock")


def claim(store: Store) -> Held:
    now = store.register([Definition("job", "every second")]).now
    (grant,) = store.claim(OWNER, TTL, 1, [Proposal("job", now)]).grants
    return Held("job", grant.token)


def lock_row(url: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(b"SELECT owner, lease_until FROM tasker_lock").fetchall()
    return row


def test_a_renewed_lease_ends_later(store: Store, postgres_url: str) -> None:  # noqa: F811
    held = claim(store)
    before = store.states()[0].lease_until or 0
    renewed = while_the_row_moves(
        postgres_url, "tasker_schedule", lambda: store.renew(OWNER, 2 * TTL, [held], PATIENCE)
    )
    assert renewed.kept == {"job"}
    assert (store.states()[0].lease_until or 0) > before


def test_a_recorded_ending_has_freed_the_row(store: Store, postgres_url: str) -> None:  # noqa: F811
    held = claim(store)
    ending = Ending(id="job", token=held.token, outcome=Outcome.SUCCEEDED, through=1)
    finished = while_the_row_moves(postgres_url, "tasker_schedule", lambda: store.finish(OWNER, [ending]))
    assert finished.answers["job"] is Answer.RECORDED
    assert store.states()[0].owner is None
    assert [record.outcome for record in store.history("job", 10)] == [Outcome.SUCCEEDED]


def test_a_released_row_is_free(store: Store, postgres_url: str) -> None:  # noqa: F811
    held = claim(store)
    released = while_the_row_moves(postgres_url, "tasker_schedule", lambda: store.release(OWNER, [held]))
    assert released.ids == {"job"}
    assert store.states()[0].owner is None


def test_skipped_slots_are_decided(store: Store, postgres_url: str) -> None:  # noqa: F811
    slot = store.states()[0].decided + 1
    skip = Skip("job", slot, Passed(slot, slot, 1, Reason.MISFIRED))
    skipped = while_the_row_moves(postgres_url, "tasker_schedule", lambda: store.skip([skip]))
    assert skipped.ids == {"job"}
    assert store.states()[0].decided == slot


@pytest.mark.parametrize("ids", [["job"], None], ids=["these", "all"])
def test_a_paused_schedule_is_paused(store: Store, postgres_url: str, ids: list[str] | None) -> None:  # noqa: F811
    paused = while_the_row_moves(postgres_url, "tasker_schedule", lambda: store.control(Action.PAUSE, ids))
    assert paused.ids == {"job"}
    assert store.states()[0].paused is not None


def test_an_extended_lock_ends_later(store: Store, postgres_url: str) -> None:  # noqa: F811
    (grant,) = store.acquire(OWNER, TTL, ["key"]).grants
    before = lock_row(postgres_url)[1]
    held = Held("key", grant.token)
    extended = while_the_row_moves(postgres_url, "tasker_lock", lambda: store.extend(OWNER, 2 * TTL, [held], PATIENCE))
    assert extended.kept == {"key"}
    assert lock_row(postgres_url)[1] > before


def test_a_freed_lock_is_free(store: Store, postgres_url: str) -> None:  # noqa: F811
    (grant,) = store.acquire(OWNER, TTL, ["key"]).grants
    freed = while_the_row_moves(postgres_url, "tasker_lock", lambda: store.free(OWNER, [Held("key", grant.token)]))
    assert freed.ids == {"key"}
    assert lock_row(postgres_url)[0] is None


def test_a_drained_instance_is_asked_to_drain(store: Store, postgres_url: str) -> None:  # noqa: F811
    store.beat(OWNER, "worker", "1")
    drained = while_the_row_moves(
        postgres_url, "tasker_instance", lambda: store.drain([OWNER], draining=True), column="seen"
    )
    assert drained.ids == {OWNER}
    assert store.beat(OWNER, "worker", "1").is_draining


def test_an_instance_that_left_is_gone(store: Store, postgres_url: str) -> None:  # noqa: F811
    store.beat(OWNER, "worker", "1")
    left = while_the_row_moves(postgres_url, "tasker_instance", lambda: store.leave([OWNER]), column="seen")
    assert left.ids == {OWNER}
    assert store.instances() == ()


def test_a_beat_does_not_undo_a_drain_that_it_waited_for(store: Store, postgres_url: str) -> None:  # noqa: F811
    store.beat(OWNER, "worker", "1")
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("UPDATE tasker_instance SET draining = true")
        beaten = pool.submit(store.beat, OWNER, "worker", "1")
        wait_until_somebody_waits(postgres_url)
        other.commit()
        assert beaten.result(PATIENCE).is_draining


def test_a_schedule_that_is_deleted_while_it_is_registered_is_made_anew(
    store: Store,
    postgres_url: str,  # noqa: F811
) -> None:
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("DELETE FROM tasker_schedule")
        registered = pool.submit(store.register, [Definition("job", "every minute")])
        wait_until_somebody_waits(postgres_url)
        other.commit()
        assert [state.definition for state in registered.result(PATIENCE).states] == ["every minute"]


def test_a_row_that_another_has_locked_is_neither_given_nor_shown(store: Store, postgres_url: str) -> None:  # noqa: F811
    store.register([Definition("held", "every second"), Definition("later", "every second")])
    now = store.poll(0).now
    store.claim("B", TTL, 1, [Proposal("held", now)])
    proposals = [Proposal("held", now), Proposal("job", now), Proposal("later", now + TTL)]
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT FROM tasker_schedule WHERE id = 'job' FOR NO KEY UPDATE")
        reply = store.claim(OWNER, TTL, 3, proposals)
        assert (reply.grants, [state.id for state in reply.refused]) == ((), ["held", "later"])
        full = store.claim(OWNER, TTL, 0, proposals)
        assert (full.grants, [state.id for state in full.refused]) == ((), ["held", "job", "later"])
        other.rollback()
    assert [grant.id for grant in store.claim(OWNER, TTL, 3, proposals).grants] == ["job"]
