"""Rows that others lock and change at the same moment: what is answered has really been done, and nobody waits long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from tasker.errors import StoreUnavailable
from tasker.ports import Action, Answer, Definition, Ending, Grant, Held, Outcome, Passed, Proposal, Reason, Skip
from tasker.store.mysql import Store, _target
from tasker.store.mysql._errors import is_conflict
from tasker.store.mysql._session import Row, Session
from tests._support.mariadb_server import MariadbServer, mariadb_server, run  # noqa: F401 - a fixture

T = TypeVar("T")
OWNER = "00000000-0000-0000-0000-000000000001"
TTL = 60_000_000
PATIENCE = 20.0


class Place:
    """A database of the test's own, and a look behind the store's back."""

    def __init__(self, server: MariadbServer, database: str) -> None:
        self.url = server.url(database)
        self._server = server
        self._database = database

    def connect(self) -> Any:
        return closing(self._server.connect(self._database))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return self._server.execute(statement, database=self._database)

    def opened(self, **options: Any) -> closing[Store]:
        return closing(Store(self.url, **{"call_limit": PATIENCE, **options}))

    @contextmanager
    def locked(self, *statements: str) -> Iterator[Any]:
        """Hold the locks of statements until the block ends, and then commit them."""
        # At the level that the store uses: above it, a lock covers what is beside it too.
        level = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
        with self.connect() as other:
            run(other, level, "START TRANSACTION", *statements)
            yield other
            other.commit()

    def while_the_row_moves(self, table: str, call: Callable[[], T]) -> T:
        """Let a call wait for the lock of a row that is changed, and go on when the change is committed."""
        with ThreadPoolExecutor(1) as pool, self.locked(f"UPDATE {table} SET token = token"):
            called = pool.submit(call)
            self.wait_for_waiters(1)
        return called.result(PATIENCE)

    def wait_for_waiters(self, count: int) -> None:
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        end = time.monotonic() + PATIENCE
        while self.query(waiting) != [(count,)]:
            assert time.monotonic() < end, "no call waits for the lock"
            time.sleep(0.15)  # what the server shows is renewed only if nobody has looked for a tenth of a second


@pytest.fixture
def place(mariadb_server: MariadbServer) -> Iterator[Place]:  # noqa: F811 - that is how fixtures are asked for
    with mariadb_server.database() as name:
        yield Place(mariadb_server, name)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with place.opened() as opened:
        register(opened, "job")
        yield opened


def register(store: Store, *ids: str) -> int:
    return store.register([Definition(id, "every second") for id in ids]).now


def claim(store: Store, id: str = "job", owner: str = OWNER) -> Grant:
    (grant,) = store.claim(owner, TTL, 1, [Proposal(id, register(store, id))]).grants
    return grant


def ending(grant: Grant) -> Ending:
    return Ending(id=grant.id, token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)


# --- what waits ---


def test_a_renewed_lease_ends_later(place: Place, store: Store) -> None:
    grant = claim(store)
    held = Held("job", grant.token)
    renewed = place.while_the_row_moves("tasker_schedule", lambda: store.renew(OWNER, 2 * TTL, [held], PATIENCE))
    assert renewed.kept == {"job"}
    assert (store.states()[0].lease_until or 0) > grant.lease_until


def test_a_recorded_ending_has_freed_the_row(place: Place, store: Store) -> None:
    grant = claim(store)
    finished = place.while_the_row_moves("tasker_schedule", lambda: store.finish(OWNER, [ending(grant)]))
    assert finished.answers["job"] is Answer.RECORDED
    assert store.states()[0].owner is None
    assert [record.outcome for record in store.history("job", 10)] == [Outcome.SUCCEEDED]


def test_a_released_row_is_free(place: Place, store: Store) -> None:
    grant = claim(store)
    held = [Held("job", grant.token)]
    released = place.while_the_row_moves("tasker_schedule", lambda: store.release(OWNER, held))
    assert released.ids == {"job"}
    assert store.states()[0].owner is None


def test_skipped_slots_are_decided(place: Place, store: Store) -> None:
    slot = store.states()[0].decided + 1
    skip = Skip("job", slot, Passed(slot, slot, 1, Reason.MISFIRED))
    skipped = place.while_the_row_moves("tasker_schedule", lambda: store.skip([skip]))
    assert skipped.ids == {"job"}
    assert store.states()[0].decided == slot


@pytest.mark.parametrize("ids", [["job"], None], ids=["these", "all"])
def test_a_paused_schedule_is_paused(place: Place, store: Store, ids: list[str] | None) -> None:
    paused = place.while_the_row_moves("tasker_schedule", lambda: store.control(Action.PAUSE, ids))
    assert paused.ids == {"job"}
    assert store.states()[0].paused is not None


def test_an_extended_lock_ends_later(place: Place, store: Store) -> None:
    (grant,) = store.acquire(OWNER, TTL, ["key"]).grants
    held = Held("key", grant.token)
    extended = place.while_the_row_moves("tasker_lock", lambda: store.extend(OWNER, 2 * TTL, [held], PATIENCE))
    assert extended.kept == {"key"}
    assert place.query(f"SELECT lease_until > {grant.lease_until} FROM tasker_lock") == [(1,)]


def test_a_freed_lock_is_free(place: Place, store: Store) -> None:
    (grant,) = store.acquire(OWNER, TTL, ["key"]).grants
    freed = place.while_the_row_moves("tasker_lock", lambda: store.free(OWNER, [Held("key", grant.token)]))
    assert freed.ids == {"key"}
    assert place.query("SELECT owner FROM tasker_lock") == [(None,)]


def test_an_ending_that_waited_for_a_takeover_is_lost(place: Place, store: Store) -> None:
    grant = claim(store)
    with ThreadPoolExecutor(1) as pool:
        with place.locked("UPDATE tasker_schedule SET token = token + 1, owner = 'B'"):
            finished = pool.submit(lambda: store.finish(OWNER, [ending(grant)]))
            place.wait_for_waiters(1)
        assert finished.result(PATIENCE).answers == {"job": Answer.LOST}
    assert store.history("job", 10) == ()


def test_of_two_equal_endings_at_once_one_is_recorded_and_the_other_is_told_so(place: Place, store: Store) -> None:
    grant = claim(store)
    with place.opened() as other, ThreadPoolExecutor(2) as pool:
        with place.locked("SELECT 1 FROM tasker_schedule FOR UPDATE"):
            finished = [pool.submit(each.finish, OWNER, [ending(grant)]) for each in (store, other)]
            place.wait_for_waiters(2)
        answers = [each.result(PATIENCE).answers["job"] for each in finished]
    assert sorted(answers) == [Answer.ALREADY, Answer.RECORDED]
    assert len(store.history("job", 10)) == 1


def test_a_row_that_comes_to_fit_while_a_call_waits_for_another_is_changed_only_if_that_is_told(
    place: Place, store: Store
) -> None:
    """The first row is held when it is looked at, and free by the time at which the second is locked."""
    register(store, "a", "b")
    grant = claim(store, "a")
    slot = grant.slot + 1_000_000_000
    skips = [Skip(id, slot, Passed(slot, slot, 1, Reason.MISFIRED)) for id in ("a", "b")]
    with place.opened() as other, ThreadPoolExecutor(1) as pool:
        with place.locked("SELECT 1 FROM tasker_schedule WHERE namespace = '' AND id = 'b' FOR UPDATE"):
            skipped = pool.submit(other.skip, skips)
            place.wait_for_waiters(1)
            store.finish(OWNER, [ending(grant)])
        assert skipped.result(PATIENCE).ids == {"b"}
    assert {state.id: state.decided == slot for state in store.states(["a", "b"])} == {"a": False, "b": True}
    assert [record.outcome for record in store.history("a", 10)] == [Outcome.SUCCEEDED]


def test_a_lease_begins_after_the_one_before_it_has_ended(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a claim is read, then another run ends, and then the row is found to be free."""
    grant = claim(store)
    run_statement = Session._run

    def run_late(session: Session, text: str) -> list[list[Row]]:
        if text.endswith("SKIP LOCKED) x"):
            monkeypatch.setattr(Session, "_run", run_statement)
            store.finish(OWNER, [ending(grant)])
        return run_statement(session, text)

    monkeypatch.setattr(_target, "CLIENT", SimpleNamespace(MULTI_STATEMENTS=0))  # statements come one by one
    with place.opened() as other:
        slot = other.poll(0).now
        monkeypatch.setattr(Session, "_run", run_late)
        claimed = other.claim("B", TTL, 1, [Proposal("job", slot)])
    (ended,) = store.history("job", 1)
    (state,) = store.states()
    assert [given.slot for given in claimed.grants] == [slot]
    assert ended.at < claimed.now == state.started
    assert state.lease_until == claimed.now + TTL


# --- what does not wait ---


def test_a_claim_passes_over_a_locked_row_and_tells_nothing_of_it(place: Place, store: Store) -> None:
    slot = register(store, "job", "other")
    with place.locked("SELECT 1 FROM tasker_schedule WHERE namespace = '' AND id = 'job' FOR UPDATE"):
        claimed = store.claim(OWNER, TTL, 2, [Proposal("job", slot), Proposal("other", slot)])
    assert [grant.id for grant in claimed.grants] == ["other"]
    assert claimed.refused == ()


def test_a_claim_refuses_a_locked_row_that_could_not_be_given_anyway(place: Place, store: Store) -> None:
    slot = register(store, "job")
    with place.locked("SELECT 1 FROM tasker_schedule WHERE namespace = '' AND id = 'job' FOR UPDATE"):
        claimed = store.claim(OWNER, TTL, 2, [Proposal("job", slot + TTL)])
    assert [state.id for state in claimed.refused] == ["job"]


def test_an_attempt_to_take_a_lock_passes_over_a_locked_row(place: Place, store: Store) -> None:
    (grant,) = store.acquire(OWNER, TTL, ["key"]).grants
    store.free(OWNER, [Held("key", grant.token)])
    with place.locked("SELECT 1 FROM tasker_lock FOR UPDATE"):
        assert [grant.key for grant in store.acquire(OWNER, TTL, ["key", "new"]).grants] == ["new"]
    assert [grant.key for grant in store.acquire(OWNER, TTL, ["key"]).grants] == ["key"]


def test_registering_what_is_known_locks_nothing(place: Place, store: Store) -> None:
    with place.locked("SELECT 1 FROM tasker_schedule FOR UPDATE"):
        reply = store.register([Definition("job", "every second"), Definition("new", "every second")])
    assert [state.id for state in reply.states] == ["job", "new"]


def test_reading_and_polling_wait_for_nobody(place: Place, store: Store) -> None:
    store.control(Action.PAUSE, ["job"])
    locks = [f"SELECT 1 FROM {table} FOR UPDATE" for table in ("tasker_schedule", "tasker_bell", "tasker_run")]
    with place.locked(*locks, "UPDATE tasker_bell SET epoch = epoch + 1"):
        assert len(store.poll(0).states) == 1
        assert len(store.states()) == 1
        assert store.history("job", 1) == ()
        assert store.instances() == ()


@pytest.mark.parametrize("level", ["READ UNCOMMITTED", "READ COMMITTED", "SERIALIZABLE"])
def test_a_poll_does_not_hear_of_a_bell_before_its_rows_are_there(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    store.close()
    monkeypatch.setattr(_target, "_SETTINGS", (f"SET SESSION TRANSACTION ISOLATION LEVEL {level}",))
    store.control(Action.PAUSE, ["job"])
    before = store.poll(0).epoch
    with place.locked("UPDATE tasker_bell SET epoch = epoch + 1", "UPDATE tasker_schedule SET nudge = nudge + 1"):
        assert store.poll(before).epoch == before
        assert store.poll(before).states == ()
    after = store.poll(before)
    assert (after.epoch, [state.id for state in after.states]) == (before + 1, ["job"])


def test_purging_leaves_a_locked_row_to_the_next_call(place: Place, store: Store) -> None:
    before = register(store, "job", "other") + 1
    with place.locked("SELECT 1 FROM tasker_schedule WHERE namespace = '' AND id = 'job' FOR UPDATE"):
        assert store.purge(before).ids == {"other"}
    assert store.purge(before).ids == {"job"}


# --- what goes wrong ---


def test_a_call_that_is_the_victim_of_a_deadlock_is_done_all_the_same(place: Place, store: Store) -> None:
    ids = [f"job {number}" for number in range(5)]
    register(store, *ids)
    deadlocks = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'"
    before = place.query(deadlocks)[0][0]
    with ThreadPoolExecutor(1) as pool:
        # Whoever has changed less is the victim, and the call has changed nothing so far.
        with place.locked("UPDATE tasker_schedule SET next_slot = 1 WHERE id <> 'job 0'") as other:
            controlled = pool.submit(store.control, Action.PAUSE, ids)
            place.wait_for_waiters(1)
            run(other, "UPDATE tasker_schedule SET next_slot = 1 WHERE id = 'job 0'")
        assert controlled.result(PATIENCE).ids == set(ids)
    assert place.query(deadlocks) == [(before + 1,)]
    assert all(state.paused and state.next_slot == 1 for state in store.states(ids))


def test_a_lock_that_is_held_for_longer_than_the_server_waits_is_waited_for_until_the_limit(
    place: Place, store: Store
) -> None:
    grant = claim(store)
    released = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with place.locked("SELECT 1 FROM tasker_schedule FOR UPDATE"):
            finished = pool.submit(store.finish, OWNER, [ending(grant)])
            released.wait(1.5)
            assert not finished.done()
        assert finished.result(PATIENCE).answers == {"job": Answer.RECORDED}


def test_a_lock_that_is_held_for_longer_than_the_limit_makes_the_store_unavailable(place: Place, store: Store) -> None:
    grant = claim(store)
    with place.opened(call_limit=2.5) as impatient, place.locked("SELECT 1 FROM tasker_schedule FOR UPDATE"):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"Lock wait timeout exceeded|did not answer within 2\.5 s"):
            impatient.finish(OWNER, [ending(grant)])
        assert time.monotonic() - begun < PATIENCE
    assert store.finish(OWNER, [ending(grant)]).answers["job"] in (Answer.RECORDED, Answer.ALREADY)
    assert len(store.history("job", 10)) == 1


@pytest.mark.slow
def test_operations_in_any_order_of_ids_never_deadlock(
    place: Place, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the operations met, and not what the server has counted: its own threads lock rows of statistics too.
    met: list[BaseException] = []

    def noting(error: BaseException) -> bool:
        met.append(error)
        return is_conflict(error)

    monkeypatch.setattr("tasker.store.mysql._database.is_conflict", noting)
    ids = [f"job {number}" for number in range(200)]
    register(store, *ids)

    def work(number: int) -> None:
        order = ids[number * 37 :] + ids[: number * 37]
        with place.opened(call_limit=30) as mine:
            for _ in range(10):
                do_everything(mine, f"owner {number}", order)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not met, place.query("SHOW ENGINE INNODB STATUS")[0][2]


def do_everything(store: Store, owner: str, order: Sequence[str]) -> None:
    slot = store.poll(0).now
    grants = store.claim(owner, TTL, 60, [Proposal(id, slot) for id in order]).grants
    held = [Held(grant.id, grant.token) for grant in grants]
    store.renew(owner, TTL, held, 30)
    store.control(Action.TRIGGER, order)
    endings = [Ending(id=g.id, token=g.token, outcome=Outcome.INTERRUPTED, through=None) for g in grants]
    store.finish(owner, endings[::2])
    store.release(owner, held)
    store.skip([Skip(id, slot, Passed(slot, slot, 1, Reason.MISFIRED)) for id in order])
    store.register([Definition(id, owner) for id in order])
    store.acquire(owner, 1, order)
    store.beat(owner, owner, "1")
    store.drain([owner, "owner 0", "owner 1"], draining=False)
    store.trim(order, 2, 0)
