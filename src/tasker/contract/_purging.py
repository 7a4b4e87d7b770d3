"""What `Store.purge` promises: what nobody runs any more goes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from tasker.contract._stores import (
    LONG,
    ROOM,
    A,
    B,
    StoreSteps,
    claim,
    expire,
    finish,
    now_of,
    outcomes,
    renew,
    state_of,
    take,
    together,
    wait_until,
)
from tasker.ports import Action, Answer, Definition, Outcome, Proposal, Store

_INSTANCES = 6


def _purge(store: Store) -> frozenset[str]:
    """Purge all that was registered before now."""
    states = store.states()
    if states:
        wait_until(store, max(state.registered for state in states) + 1)
    return store.purge(now_of(store)).ids


def _let_others_work(store: Store) -> None:
    wait_until(store, now_of(store) + 2_000)


class Purging(StoreSteps):
    """A schedule that nobody has registered for long is deleted, as if it had never been."""

    def test_a_schedule_that_nobody_has_registered_since_is_deleted_with_its_history(self) -> None:
        store = self.start()
        finish(store, take(store))
        assert _purge(self.open()) == {"job"}
        assert store.states() == ()
        assert store.history("job", ROOM) == ()

    def test_a_schedule_that_was_registered_since_is_kept(self) -> None:
        store = self.start()
        finish(store, take(store))
        before = state_of(store)
        assert store.purge(before.registered).ids == frozenset()
        assert store.states() == (before,)
        assert outcomes(store) == [Outcome.SUCCEEDED]

    def test_a_schedule_that_was_registered_anew_is_kept_and_the_others_go(self) -> None:
        store = self.start("a", "b", "c")
        for id in "abc":
            finish(store, take(store, id))
        before = now_of(store)
        wait_until(store, before + 1)
        store.register([Definition("b", "daily at 12:00")])
        assert store.purge(before + 1).ids == {"a", "c"}
        assert [state.id for state in store.states()] == ["b"]
        assert [outcomes(store, id) for id in "abc"] == [[], [Outcome.SUCCEEDED], []]

    def test_what_is_held_under_a_lease_is_kept_and_what_is_over_goes(self) -> None:
        store = self.start("held", "expired")
        grant = take(store, "held")
        expire(store, take(store, "expired", ttl=self.short()))
        assert _purge(store) == {"expired"}
        assert renew(store, grant) == {"held"}
        assert finish(store, grant) is Answer.RECORDED

    def test_what_waits_for_people_or_for_another_attempt_goes_too(self) -> None:
        store = self.start("paused", "requested", "returned")
        store.control(Action.PAUSE, ["paused"])
        store.control(Action.TRIGGER, ["requested"])
        finish(store, take(store, "returned"), Outcome.INTERRUPTED)
        epoch = store.poll(0).epoch
        assert _purge(store) == {"paused", "requested", "returned"}
        assert store.poll(0).states == ()
        assert store.poll(0).epoch >= epoch

    def test_whoever_still_runs_what_was_deleted_is_told_that_it_is_lost(self) -> None:
        store = self.start()
        grant = take(store, ttl=self.short())
        expire(store, grant)
        assert _purge(store) == {"job"}
        assert renew(store, grant) == frozenset()
        assert finish(store, grant) is Answer.LOST
        assert store.states() == ()
        assert store.history("job", ROOM) == ()

    def test_a_deleted_schedule_begins_anew_when_it_is_registered(self) -> None:
        store = self.start()
        finish(store, first := take(store), Outcome.FAILED)
        _purge(store)
        store.register([Definition("job", "every second")])
        state = state_of(store)
        assert (state.runs, state.failures, state.last_outcome, state.ended) == (0, 0, None, None)
        assert state.decided == state.defined == state.registered > first.slot
        assert outcomes(store) == []
        assert take(store, owner=B).token > first.token

    def test_no_more_than_a_thousand_go_at_once_the_first_by_their_ids(self) -> None:
        ids = [f"job {number:04}" for number in range(1_203)]
        store = self.start(*reversed(ids))
        assert _purge(store) == set(ids[:1_000])
        assert [state.id for state in store.states()] == ids[1_000:]
        assert _purge(store) == set(ids[1_000:])
        assert _purge(store) == frozenset()

    def test_the_reply_has_the_store_s_clock(self) -> None:
        store = self.open()
        before = now_of(store)
        assert before <= store.purge(before).now <= now_of(store)

    def test_what_many_purge_at_once_goes_once(self) -> None:
        ids = [f"job {number:02}" for number in range(40)]
        store = self.start(*ids)
        wait_until(store, max(state.registered for state in store.states()) + 1)
        before = now_of(store)
        purged: list[str] = []

        def purger(store: Store) -> Callable[[], None]:
            return lambda: purged.extend(store.purge(before).ids)

        together([purger(self.open()) for _ in range(_INSTANCES)])
        assert sorted(purged) == ids
        assert store.states() == ()

    def test_a_schedule_that_is_claimed_while_others_purge_is_kept(self) -> None:
        ids = [f"job {number:02}" for number in range(40)]
        store = self.start(*ids)

        def claim_and_finish(before: int) -> None:
            for start in range(0, len(ids), 8):
                grants = store.claim(A, LONG, ROOM, [Proposal(id, before) for id in ids[start : start + 8]]).grants
                _let_others_work(store)
                assert renew(store, *grants) == {grant.id for grant in grants}, "a row was deleted that is held"
                assert {finish(store, grant) for grant in grants} <= {Answer.RECORDED}
            store.register([Definition(id, "every second") for id in ids])

        self._while_others_purge(store, claim_and_finish)

    def test_a_schedule_that_is_registered_while_others_purge_is_there(self) -> None:
        ids = [f"job {number:02}" for number in range(40)]
        store = self.start(*ids)

        def define(before: int) -> None:
            for start in range(0, len(ids), 8):
                store.register([Definition(id, f"since {before}") for id in ids[start : start + 8]])
            _let_others_work(store)
            states = self.open().states()
            assert {state.id: state.definition for state in states} == dict.fromkeys(ids, f"since {before}")

        self._while_others_purge(store, define)

    def _while_others_purge(self, store: Store, work: Callable[[int], None]) -> None:
        """Do something six times, while others delete all that was registered before it began."""
        before, is_over = 0, Event()

        def rounds() -> None:
            nonlocal before
            try:
                for number in range(6):
                    wait_until(store, now_of(store) + 1)
                    before = now_of(store)
                    if number % 2:
                        _let_others_work(store)
                    work(before)
            finally:
                is_over.set()

        def purger(store: Store) -> Callable[[], None]:
            def purge() -> None:
                while not is_over.is_set():
                    store.purge(before)

            return purge

        together([rounds, purger(self.open()), purger(self.open())])

    def test_purging_leaves_instances_and_other_histories_alone(self) -> None:
        store = self.start("job", "kept")
        finish(store, take(store, "kept"))
        store.beat(A, "worker", "1")
        claim(store, "kept")
        before = store.instances(), store.history("kept", ROOM)
        assert _purge(store) == {"job"}
        assert (store.instances(), store.history("kept", ROOM)) == before
