"""What `Store.claim` promises: which slots are given, to whom, under which token."""

from __future__ import annotations

from itertools import pairwise

from tasker.contract._stores import (
    LONG,
    ROOM,
    A,
    B,
    StoreSteps,
    claim,
    due_slot,
    expire,
    finish,
    held,
    is_refused,
    now_of,
    only_record,
    outcomes,
    renew,
    state_of,
    take,
)
from tasker.ports import Action, Answer, Outcome, Proposal


class Claiming(StoreSteps):
    """A slot is given if it is due, undecided and free: each condition by itself."""

    def test_a_due_slot_of_a_free_row_is_given_with_a_lease_by_the_store_s_clock(self) -> None:
        store = self.start()
        slot = due_slot(store)
        reply = store.claim(A, LONG, 1, [Proposal("job", slot)])
        assert len(reply.grants) == 1
        grant = reply.grants[0]
        assert (grant.id, grant.slot, grant.manual, grant.attempt) == ("job", slot, False, 1)
        assert grant.lease_until == reply.now + LONG
        assert reply.refused == ()

    def test_a_grant_is_in_the_row_for_all_to_see(self) -> None:
        store = self.start()
        grant = take(store)
        state = state_of(self.open())
        assert (state.owner, state.token, state.slot) == (A, grant.token, grant.slot)
        assert (state.lease_until, state.attempt) == (grant.lease_until, 1)
        assert state.started == grant.lease_until - LONG

    def test_a_grant_carries_the_row_as_it_was_just_before(self) -> None:
        store = self.start()
        before = state_of(store)
        assert take(store).state == before

    def test_a_slot_in_the_future_is_refused(self) -> None:
        store = self.start()
        before = state_of(store)
        reply = store.claim(A, LONG, 1, [Proposal("job", now_of(store) + LONG)])
        assert (reply.grants, reply.refused) == ((), (before,))

    def test_a_slot_that_is_decided_is_refused(self) -> None:
        store = self.start()
        finish(store, grant := take(store))
        for slot in (grant.slot, grant.slot - 1):
            reply = store.claim(B, LONG, 1, [Proposal("job", slot)])
            assert (reply.grants, len(reply.refused)) == ((), 1), "a decided slot was given again"

    def test_the_slot_up_to_which_a_new_row_is_decided_is_refused(self) -> None:
        store = self.start()
        reply = store.claim(A, LONG, 1, [Proposal("job", state_of(store).decided)])
        assert reply.grants == ()

    def test_a_held_row_is_refused_to_all_its_holder_included(self) -> None:
        store = self.start()
        take(store)
        assert is_refused(self.open(), owner=B)
        assert is_refused(store, owner=A)

    def test_a_refusal_shows_the_row_as_it_is(self) -> None:
        store = self.start()
        take(store)
        assert claim(store, owner=B).refused == (state_of(store),)

    def test_a_row_is_free_again_once_its_run_is_finished(self) -> None:
        store = self.start()
        finish(store, first := take(store))
        second = take(store, owner=B)
        assert second.slot > first.slot
        assert second.attempt == 1

    def test_a_base_that_is_not_the_end_of_the_last_run_is_refused(self) -> None:
        store = self.start()
        finish(store, take(store))
        ended = state_of(store).ended
        assert ended is not None
        slot = due_slot(store)
        stale = store.claim(A, LONG, 1, [Proposal("job", slot, base=ended - 1)])
        assert (stale.grants, [state.ended for state in stale.refused]) == ((), [ended])
        assert len(store.claim(A, LONG, 1, [Proposal("job", slot, base=ended)]).grants) == 1

    def test_a_base_is_refused_while_no_run_has_ended(self) -> None:
        store = self.start()
        slot = due_slot(store)
        assert store.claim(A, LONG, 1, [Proposal("job", slot, base=slot)]).grants == ()

    def test_a_paused_row_is_refused(self) -> None:
        store = self.start()
        store.control(Action.PAUSE, ["job"])
        assert is_refused(store)

    def test_a_paused_row_is_refused_even_if_it_has_a_slot(self) -> None:
        store = self.start("returned", "expired")
        finish(store, take(store, "returned"), Outcome.INTERRUPTED)
        expire(store, take(store, "expired", ttl=self.short()))
        store.control(Action.PAUSE, None)
        assert is_refused(store, "returned")
        assert is_refused(store, "expired")

    def test_a_manual_run_of_a_paused_row_is_started_again(self) -> None:
        store = self.start("returned", "expired")
        store.control(Action.PAUSE, None)
        store.control(Action.TRIGGER, None)
        finish(store, take(store, "returned"), Outcome.INTERRUPTED)
        expire(store, take(store, "expired", ttl=self.short()))
        again = [take(store, id, owner=B) for id in ("returned", "expired")]
        assert [(grant.manual, grant.attempt) for grant in again] == [(True, 2)] * 2

    def test_no_more_is_given_than_there_is_capacity_for(self) -> None:
        ids = [f"job {number}" for number in range(10)]
        store = self.start(*ids)
        first = claim(store, *ids, capacity=3)
        assert len(first.grants) == 3
        assert {grant.id for grant in first.grants} | {state.id for state in first.refused} == set(ids)
        second = claim(store, *ids, capacity=0)
        assert (len(second.grants), len(second.refused)) == (0, len(ids))
        third = claim(store, *ids, owner=B, capacity=ROOM)
        assert {grant.id for grant in third.grants} == set(ids) - {grant.id for grant in first.grants}

    def test_a_batch_gives_what_is_free_and_refuses_the_rest(self) -> None:
        store = self.start("free", "held", "paused")
        take(store, "held")
        store.control(Action.PAUSE, ["paused"])
        reply = claim(store, "free", "held", "paused", owner=B)
        assert [grant.id for grant in reply.grants] == ["free"]
        assert {state.id for state in reply.refused} == {"held", "paused"}

    def test_claiming_nothing_gives_nothing(self) -> None:
        reply = self.start().claim(A, LONG, ROOM, [])
        assert (reply.grants, reply.refused) == ((), ())


class Tokens(StoreSteps):
    """A fencing token grows with each claim, whatever became of the rows before."""

    def test_a_token_is_at_least_the_store_s_clock(self) -> None:
        store = self.start()
        before = now_of(store)
        assert take(store).token >= before, "a token that ignores the clock starts again after a lost row"

    def test_a_token_grows_with_each_claim(self) -> None:
        store = self.start()
        tokens: list[int] = []
        for _ in range(20):
            finish(store, grant := take(store))
            tokens.append(grant.token)
        assert all(earlier < later for earlier, later in pairwise(tokens))

    def test_a_token_grows_when_an_attempt_is_given_back_or_released_or_taken_over(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.INTERRUPTED)
        second = take(store)
        store.release(A, held(second))
        third = take(store, ttl=self.short())
        expire(store, third)
        fourth = take(store, owner=B)
        assert first.token < second.token < third.token < fourth.token

    def test_a_token_grows_even_if_the_store_s_clock_went_back(self) -> None:
        store = self.start()
        ahead = now_of(store) + LONG
        self.set_token("job", ahead)
        assert take(store).token == ahead + 1

    def test_a_token_grows_after_its_row_was_lost(self) -> None:
        store = self.start()
        first = take(store)
        self.delete_row("job")
        assert finish(store, first) is Answer.LOST
        assert renew(store, first) == frozenset()
        self.start()
        assert take(store).token > first.token


class Takeovers(StoreSteps):
    """Who is dead frees its slot by the end of its lease, and whoever takes it over says so in the history."""

    def test_a_lease_that_is_over_is_given_to_another_with_the_same_slot_as_the_next_attempt(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        expire(store, first)
        second = take(self.open(), owner=B)
        assert (second.slot, second.attempt, second.manual) == (first.slot, 2, False)
        assert second.state.owner == A

    def test_a_lease_is_not_given_to_another_before_it_is_over(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        other = self.open()
        slot = due_slot(other)
        while not (reply := other.claim(B, LONG, 1, [Proposal("job", slot)])).grants:
            assert reply.now < first.lease_until, "a lease that is over was not given to another"
        assert reply.now >= first.lease_until, "a lease was given away before its end"

    def test_the_slot_of_an_expired_row_needs_no_proposal_that_is_due(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        expire(store, first)
        grants = store.claim(B, LONG, 1, [Proposal("job", first.lease_until + LONG)]).grants
        assert [grant.slot for grant in grants] == [first.slot]

    def test_the_taker_records_the_dead_attempt_as_a_lost_lease(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        expire(store, first)
        take(store, owner=B)
        record = only_record(store)
        assert (record.outcome, record.slot, record.attempt) == (Outcome.LEASE_LOST, first.slot, 1)
        assert (record.owner, record.token) == (A, first.token)
        assert record.started == first.lease_until - self.short()

    def test_the_taker_counts_the_dead_attempt_as_a_failure(self) -> None:
        store = self.start()
        expire(store, take(store, ttl=self.short()))
        take(store, owner=B)
        state = state_of(store)
        assert (state.runs, state.failures, state.last_outcome) == (1, 1, Outcome.LEASE_LOST)

    def test_an_owner_can_take_over_from_itself(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        expire(store, first)
        second = take(store)
        assert (second.slot, second.attempt) == (first.slot, 2)
        assert outcomes(store) == [Outcome.LEASE_LOST]

    def test_every_attempt_of_a_slot_counts(self) -> None:
        store = self.start()
        attempts: list[int] = []
        for owner in (A, B, A):
            grant = take(store, owner=owner, ttl=self.short())
            attempts.append(grant.attempt)
            expire(store, grant)
        assert attempts == [1, 2, 3]
        assert outcomes(store) == [Outcome.LEASE_LOST] * 2

    def test_the_dead_holder_s_ending_and_renewal_come_too_late(self) -> None:
        store = self.start()
        first = take(store, ttl=self.short())
        expire(store, first)
        take(store, owner=B)
        before = state_of(store)
        assert renew(store, first) == frozenset()
        assert finish(store, first) is Answer.LOST
        assert state_of(store) == before
        assert outcomes(store) == [Outcome.LEASE_LOST]
