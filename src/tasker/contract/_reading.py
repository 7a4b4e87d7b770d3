"""What `Store.states`, `history` and `trim` promise, and what happens to rows that this version cannot read."""

from __future__ import annotations

from tasker.contract._stores import (
    ROOM,
    A,
    StoreSteps,
    claim,
    due_slot,
    expire,
    finish,
    held,
    now_of,
    outcomes,
    renew,
    state_of,
    take,
    wait_until,
)
from tasker.ports import FORMAT, REGISTERED_ANEW_AFTER, Action, Answer, Definition, Outcome, Passed, Reason, Skip


class Reading(StoreSteps):
    """Facts can be read by anyone, in a fixed order."""

    def test_states_are_ordered_by_id_byte_for_byte(self) -> None:
        store = self.start("b", "a", "B", "_", "\u00e9", "a b", "\U0001f680")
        assert [state.id for state in store.states()] == ["B", "_", "a", "a b", "b", "\u00e9", "\U0001f680"]

    def test_states_of_some_ids_leave_out_the_unknown(self) -> None:
        store = self.start("a", "b", "c")
        assert [state.id for state in store.states(["c", "unknown", "a"])] == ["a", "c"]
        assert store.states([]) == ()

    def test_states_of_more_than_a_thousand_ids(self) -> None:
        ids = [f"job {number:04}" for number in range(1_203)]
        store = self.start(*ids)
        assert [state.id for state in store.states(ids)] == ids

    def test_reading_changes_nothing(self) -> None:
        store = self.start()
        take(store)
        first = store.states(), store.history("job", ROOM), store.poll(0).epoch
        assert (store.states(), store.history("job", ROOM), store.poll(0).epoch) == first

    def test_history_has_the_newest_first_and_no_more_than_asked_for(self) -> None:
        store = self.start()
        slots: list[int] = []
        for _ in range(5):
            finish(store, grant := take(store))
            slots.append(grant.slot)
        assert [record.slot for record in store.history("job", ROOM)] == slots[::-1]
        assert [record.slot for record in store.history("job", 2)] == slots[:2:-1]
        assert store.history("job", 0) == ()

    def test_history_is_kept_for_each_schedule_by_itself(self) -> None:
        store = self.start("job", "other")
        finish(store, take(store, "other"))
        assert store.history("job", ROOM) == ()
        assert [record.id for record in store.history("other", ROOM)] == ["other"]


class Trimming(StoreSteps):
    """History does not grow for ever."""

    def test_records_beyond_the_newest_are_deleted(self) -> None:
        store = self.start("job", "other")
        for id in ("job", "other"):
            for _ in range(5):
                finish(store, take(store, id))
        newest = store.history("job", 2)
        assert store.trim(["job"], 2, 0) == 3
        assert store.history("job", ROOM) == newest
        assert len(store.history("other", ROOM)) == 5

    def test_records_older_than_an_instant_are_deleted(self) -> None:
        store = self.start()
        finish(store, take(store))
        wait_until(store, store.history("job", 1)[0].at + 1)
        before = now_of(store)
        finish(store, take(store))
        newest = store.history("job", 1)
        assert store.trim(["job"], ROOM, before) == 1
        assert store.history("job", ROOM) == newest

    def test_what_is_new_and_within_the_number_is_kept(self) -> None:
        store = self.start()
        finish(store, take(store))
        assert store.trim(["job", "unknown"], 1, 0) == 0
        assert store.trim([], 0, now_of(store)) == 0
        assert outcomes(store) == [Outcome.SUCCEEDED]

    def test_trimming_leaves_the_row_as_it_is(self) -> None:
        store = self.start()
        finish(store, take(store))
        before = state_of(store)
        assert store.trim(["job"], 0, 0) == 1
        assert store.history("job", ROOM) == ()
        assert state_of(store) == before


class LeavingAlone(StoreSteps):
    """What this version cannot read, it neither runs nor changes, and it lets everything else go on."""

    def test_a_row_of_a_newer_format_is_shown_as_one(self) -> None:
        store = self.start("job", "newer")
        self.make_newer("newer")
        state = state_of(store, "newer")
        assert (state.id, state.format) == ("newer", FORMAT + 1)

    def test_a_row_of_a_newer_format_is_never_changed(self) -> None:
        store = self.start("newer")
        slot = due_slot(store, "newer")
        self.make_newer("newer")
        before = state_of(store, "newer")
        store.register([Definition("newer", "daily at 12:00")])
        assert store.purge(now_of(store)).ids == frozenset()
        store.control(Action.PAUSE, ["newer"])
        store.control(Action.TRIGGER, None)
        assert store.skip([Skip("newer", slot, Passed(slot, slot, 1, Reason.MISFIRED))]).ids == frozenset()
        reply = claim(store, "newer")
        assert (reply.grants, reply.refused) == ((), (before,))
        assert state_of(store, "newer") == before

    def test_a_held_row_that_became_newer_is_lost_to_its_holder(self) -> None:
        store = self.start("newer")
        grant = take(store, "newer", ttl=self.short())
        self.make_newer("newer")
        before = state_of(store, "newer")
        assert renew(store, grant) == frozenset()
        assert finish(store, grant) is Answer.LOST
        assert store.release(A, held(grant)).ids == frozenset()
        expire(store, grant)
        assert claim(store, "newer").grants == ()
        assert state_of(store, "newer") == before

    def test_a_row_of_a_newer_format_is_not_registered_anew(self) -> None:
        store = self.start("newer")
        self.set_registered("newer", now_of(store) - REGISTERED_ANEW_AFTER - 1)
        self.make_newer("newer")
        before = state_of(store, "newer")
        store.register([Definition("newer", "every second")])
        assert state_of(store, "newer") == before

    def test_other_rows_of_the_same_call_are_not_touched_by_a_newer_one(self) -> None:
        store = self.start("job", "newer", "zebra")
        self.make_newer("newer")
        assert {grant.id for grant in claim(store, "job", "newer", "zebra").grants} == {"job", "zebra"}

    def test_a_newer_row_and_its_history_are_not_purged_and_the_others_are(self) -> None:
        store = self.start("job", "newer", "zebra")
        finish(store, take(store, "newer"))
        records = store.history("newer", ROOM)
        self.make_newer("newer")
        before = state_of(store, "newer")
        wait_until(store, state_of(store, "zebra").registered + 1)
        assert store.purge(now_of(store)).ids == {"job", "zebra"}
        assert store.states() == (before,)
        assert store.history("newer", ROOM) == records

    def test_a_row_that_cannot_be_read_is_shown_as_newer_and_refused(self) -> None:
        store = self.start("job", "spoilt")
        slot = due_slot(store)
        self.make_unreadable("spoilt")
        state = state_of(store, "spoilt")
        assert state.format > FORMAT
        assert [state.id for state in store.states()] == ["job", "spoilt"]
        assert store.skip([Skip("spoilt", slot, Passed(slot, slot, 1, Reason.MISFIRED))]).ids == frozenset()
        store.control(Action.TRIGGER, None)
        reply = claim(store, "job", "spoilt")
        assert [grant.id for grant in reply.grants] == ["job"]
        assert [state.id for state in reply.refused] == ["spoilt"]
        assert store.states(["spoilt"]) == (state,)
        assert store.purge(now_of(store) + 1).ids == frozenset()
        assert store.states(["spoilt"]) == (state,)
