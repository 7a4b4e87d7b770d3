"""What `Store.renew` promises."""

from __future__ import annotations

import time

from tasker.contract._stores import LONG, A, B, StoreSteps, expire, finish, held, is_refused, renew, state_of, take
from tasker.ports import Held


class Renewing(StoreSteps):
    """A lease lives on for whoever still holds its token, and for nobody else."""

    def test_a_renewed_lease_ends_later(self) -> None:
        store = self.start()
        grant = take(store, ttl=self.short())
        reply = store.renew(A, LONG, held(grant), store.call_limit)
        assert reply.kept == {"job"}
        assert state_of(store).lease_until == reply.now + LONG
        expire(store, grant)
        assert is_refused(store)

    def test_a_renewal_changes_nothing_but_the_end_of_the_lease(self) -> None:
        store = self.start()
        grant = take(store)
        before = state_of(store)
        renew(store, grant)
        after = state_of(store)
        assert (after.token, after.slot, after.attempt) == (before.token, before.slot, before.attempt)
        assert (after.started, after.decided, after.runs) == (before.started, before.decided, before.runs)

    def test_a_lease_can_be_renewed_through_another_handle(self) -> None:
        grant = take(self.start())
        assert renew(self.open(), grant) == {"job"}

    def test_a_lease_that_is_over_and_was_not_taken_is_renewed(self) -> None:
        store = self.start()
        grant = take(store, ttl=self.short())
        expire(store, grant)
        assert renew(store, grant) == {"job"}
        assert is_refused(store)

    def test_an_older_token_of_the_same_owner_is_not_renewed(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first)
        second = take(store)
        assert renew(store, first) == frozenset()
        assert renew(store, second) == {"job"}

    def test_the_token_of_another_owner_is_not_renewed(self) -> None:
        store = self.start()
        grant = take(store)
        before = state_of(store)
        assert renew(store, grant, owner=B) == frozenset()
        assert state_of(store) == before

    def test_a_token_that_was_never_given_is_not_renewed(self) -> None:
        store = self.start()
        grant = take(store)
        assert store.renew(A, LONG, [Held("job", grant.token + 1)], store.call_limit).kept == frozenset()
        assert store.renew(A, LONG, [Held("job", grant.token - 1)], store.call_limit).kept == frozenset()

    def test_a_finished_run_is_not_renewed(self) -> None:
        store = self.start()
        finish(store, grant := take(store))
        assert renew(store, grant) == frozenset()
        assert state_of(store).lease_until is None

    def test_a_schedule_without_a_row_is_not_renewed(self) -> None:
        store = self.start()
        assert store.renew(A, LONG, [Held("other", 1)], store.call_limit).kept == frozenset()

    def test_a_batch_keeps_what_is_held_and_says_what_is_lost(self) -> None:
        store = self.start("kept", "done")
        grants = [take(store, "kept"), take(store, "done")]
        finish(store, grants[1])
        assert renew(store, *grants) == {"kept"}

    def test_more_than_a_thousand_leases_are_renewed_in_one_call(self) -> None:
        ids = [f"job {number:04}" for number in range(1_203)]
        store = self.start(*ids)
        grants = [take(store, ids[0]), take(store, ids[-1])]
        leases = held(grants[0]) + [Held(id, 1) for id in ids[1:-1]] + held(grants[1])
        assert store.renew(A, LONG, leases, store.call_limit).kept == {ids[0], ids[-1]}

    def test_renewing_nothing_keeps_nothing(self) -> None:
        store = self.start()
        assert store.renew(A, LONG, [], store.call_limit).kept == frozenset()

    def test_a_renewal_answers_within_its_timeout(self) -> None:
        store = self.start()
        grant = take(store)
        begun = time.monotonic()
        store.renew(A, LONG, held(grant), 1.0)
        assert time.monotonic() - begun < 1.5
