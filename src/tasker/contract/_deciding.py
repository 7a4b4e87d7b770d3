"""What `Store.skip` and `Store.release` promise."""

from __future__ import annotations

from tasker.contract._stores import (
    A,
    B,
    StoreSteps,
    due_slot,
    expire,
    finish,
    held,
    only_record,
    outcomes,
    renew,
    state_of,
    take,
    wait_until,
)
from tasker.ports import Action, Answer, Held, Outcome, Passed, Reason, Skip, Store


def _skip(store: Store, id: str = "job", *, through: int, count: int = 1) -> bool:
    passed = Passed(through - count + 1, through, count, Reason.MISFIRED)
    return store.skip([Skip(id, through, passed, next_slot=through + 1)]).ids == {id}


class Skipping(StoreSteps):
    """Slots of a free row can be decided without a run."""

    def test_skipped_slots_are_decided_and_recorded_as_one_range(self) -> None:
        store = self.start()
        through = due_slot(store) + 50
        assert _skip(store, through=through, count=10)
        state = state_of(store)
        assert (state.decided, state.next_slot, state.ended, state.runs) == (through, through + 1, None, 0)
        record = only_record(store)
        assert (record.outcome, record.reason) == (Outcome.SKIPPED, Reason.MISFIRED)
        assert (record.slot, record.until, record.count) == (through - 9, through, 10)
        assert (record.attempt, record.token, record.owner, record.manual) == (0, 0, None, False)

    def test_slots_that_are_decided_are_not_skipped_again(self) -> None:
        store = self.start()
        through = due_slot(store) + 50
        _skip(store, through=through)
        before = state_of(store)
        assert not _skip(self.open(), through=through)
        assert not _skip(store, through=through - 1)
        assert state_of(store) == before
        assert outcomes(store) == [Outcome.SKIPPED]

    def test_a_range_of_which_a_part_is_decided_is_not_skipped(self) -> None:
        store = self.start()
        through = due_slot(store) + 50
        _skip(store, through=through)
        assert not _skip(self.open(), through=through + 9, count=10), "a slot was decided twice"
        assert state_of(store).decided == through
        assert _skip(self.open(), through=through + 9, count=9)

    def test_a_row_with_a_slot_is_not_skipped_whoever_holds_it(self) -> None:
        store = self.start("held", "expired", "returned")
        take(store, "held")
        finish(store, take(store, "returned"), Outcome.INTERRUPTED)
        expire(store, take(store, "expired", ttl=self.short()))
        for id in ("held", "expired", "returned"):
            before = state_of(store, id)
            assert not _skip(store, id, through=before.decided + 100)
            assert state_of(store, id) == before

    def test_a_skipped_slot_is_refused_and_a_later_one_given(self) -> None:
        store = self.start()
        through = due_slot(store)
        _skip(store, through=through)
        assert take(store).slot > through

    def test_a_schedule_without_a_row_is_not_skipped(self) -> None:
        store = self.start()
        assert not _skip(store, "other", through=due_slot(store))
        assert store.skip([]).ids == frozenset()


class Releasing(StoreSteps):
    """A claim whose answer was lost is taken back as if it had not happened."""

    def test_a_released_slot_can_be_claimed_again_as_the_same_attempt(self) -> None:
        store = self.start()
        first = take(store)
        assert store.release(A, held(first)).ids == {"job"}
        state = state_of(store)
        assert (state.owner, state.lease_until, state.slot) == (None, None, None)
        assert state.decided == first.state.decided
        second = take(self.open(), owner=B)
        assert (second.slot, second.attempt) == (first.slot, 1)
        assert outcomes(store) == []

    def test_a_slot_that_had_attempts_before_keeps_them(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.INTERRUPTED)
        store.release(A, held(take(store)))
        state = state_of(store)
        assert (state.owner, state.slot) == (None, first.slot)
        assert take(store).attempt == 2

    def test_a_manual_slot_stays_in_the_row(self) -> None:
        store = self.start()
        store.control(Action.TRIGGER, ["job"])
        first = take(store)
        assert store.release(A, held(first)).ids == {"job"}
        second = take(store, owner=B)
        assert (second.slot, second.manual, second.attempt) == (first.slot, True, 1)

    def test_a_slot_before_the_end_of_a_pause_stays_in_the_row(self) -> None:
        store = self.start()
        first = take(store)
        store.control(Action.PAUSE, ["job"])
        wait_until(store, (state_of(store).paused or 0) + 1_000)
        store.control(Action.RESUME, ["job"])
        assert store.release(A, held(first)).ids == {"job"}
        assert state_of(store).slot == first.slot, "a slot that has no record can be proposed by nobody"
        second = take(store, owner=B)
        assert (second.slot, second.manual, second.attempt) == (first.slot, False, 1)

    def test_what_is_not_named_stays_held(self) -> None:
        store = self.start("known", "unknown")
        known = take(store, "known")
        assert store.release(A, held(take(store, "unknown"))).ids == {"unknown"}
        assert store.release(A, []).ids == frozenset()
        assert renew(store, known) == {"known"}

    def test_a_release_that_comes_late_frees_nothing_that_was_claimed_since(self) -> None:
        store = self.start()
        lost = take(store)
        store.release(A, held(lost))
        grant = take(store)
        assert store.release(A, held(lost)).ids == frozenset()
        assert renew(store, grant) == {"job"}

    def test_what_another_owner_holds_is_not_released(self) -> None:
        store = self.start()
        grant = take(store, owner=B)
        assert store.release(A, [*held(grant), Held("other", grant.token)]).ids == frozenset()
        assert renew(store, grant, owner=B) == {"job"}

    def test_a_released_run_can_be_neither_renewed_nor_finished(self) -> None:
        store = self.start()
        grant = take(store)
        store.release(A, held(grant))
        assert renew(store, grant) == frozenset()
        assert finish(store, grant) is Answer.LOST
