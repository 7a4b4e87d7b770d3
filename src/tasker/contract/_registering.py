"""What `Store.register` promises."""

from __future__ import annotations

from dataclasses import replace

from tasker.contract._stores import (
    LONG,
    ROOM,
    A,
    StoreSteps,
    claim,
    due_slot,
    is_refused,
    now_of,
    state_of,
    take,
    wait_until,
)
from tasker.ports import REGISTERED_ANEW_AFTER, Action, Definition, Proposal

_ALIKE = ("job", "Job", "job ", " job", "job\t", "j\u00f6b", "jo\u0308b", "\u212aob", "Kob")
"""Ids that a forgiving collation or a normalizing driver would take for fewer."""

_STRANGE = (
    "it's",
    'say "job"',
    "100%",
    "%s %(id)s :id $1 ?",
    "a\\b\\",
    "{a,b}",
    "[1]",
    "NULL",
    "-- job",
    "a;b",
    "a\nb",
    "\U0001f680",
    "x" * 255,
    "\u00e9" * 255,
)
"""Ids that mean something to some database, driver or format string."""


class Registering(StoreSteps):
    """Rows come into being by registration, once, and definitions follow the code."""

    def test_a_new_row_is_decided_and_defined_up_to_now(self) -> None:
        store = self.open()
        before = now_of(store)
        reply = store.register([Definition("job", "every second", next_slot=7)])
        assert len(reply.states) == 1
        state = reply.states[0]
        assert (state.id, state.definition, state.next_slot) == ("job", "every second", 7)
        assert before <= state.decided == state.defined == state.registered <= reply.now

    def test_a_new_row_is_idle_and_has_no_past(self) -> None:
        state = state_of(self.start())
        assert (state.owner, state.lease_until, state.slot, state.manual) == (None, None, None, False)
        assert (state.ended, state.last_outcome, state.last_success) == (None, None, None)
        assert (state.runs, state.failures, state.paused, state.requested) == (0, 0, None, None)

    def test_a_row_that_exists_stays_as_it_is(self) -> None:
        store = self.start()
        take(store)
        before = state_of(store)
        wait_until(store, before.registered + 1)
        reply = self.open().register([Definition("job", "every second", next_slot=9)])
        assert reply.states == (before,)
        assert state_of(store) == before

    def test_a_changed_definition_moves_defined_and_nothing_that_is_decided(self) -> None:
        store = self.start()
        before = state_of(store)
        wait_until(store, before.defined + 1)
        reply = store.register([Definition("job", "daily at 12:00", next_slot=9)])
        assert len(reply.states) == 1
        state = reply.states[0]
        assert (state.definition, state.next_slot, state.decided) == ("daily at 12:00", 9, before.decided)
        assert before.defined < state.defined == state.registered <= reply.now
        assert state_of(self.open()) == state

    def test_a_row_that_was_registered_long_ago_is_registered_anew_and_else_left_as_it_is(self) -> None:
        store = self.start("job", "other")
        take(store)
        self.set_registered("job", now_of(store) - REGISTERED_ANEW_AFTER - 1)
        before, other, epoch = state_of(store), state_of(store, "other"), store.poll(0).epoch
        reply = store.register([Definition("job", "every second", next_slot=9), Definition("other", "every second")])
        state = state_of(self.open())
        assert before.registered + REGISTERED_ANEW_AFTER < state.registered <= reply.now
        assert state == replace(before, registered=state.registered)
        assert {each.id: each for each in reply.states} == {"job": state, "other": other}
        assert store.poll(0).epoch == epoch

    def test_a_row_that_was_registered_within_the_hour_is_not_registered_anew(self) -> None:
        store = self.start()
        self.set_registered("job", now_of(store) - REGISTERED_ANEW_AFTER + LONG)
        before = state_of(store)
        assert store.register([Definition("job", "every second")]).states == (before,)
        assert state_of(store) == before

    def test_all_rows_asked_for_are_returned_new_ones_and_old_ones(self) -> None:
        self.start("b", "d")
        reply = self.open().register([Definition(id, "every second") for id in "abcde"])
        assert {state.id for state in reply.states} == set("abcde")

    def test_the_reply_has_the_bell_s_epoch(self) -> None:
        store = self.start()
        store.control(Action.PAUSE, ["job"])
        reply = store.register([Definition("job", "every second")])
        assert reply.epoch == store.poll(0).epoch

    def test_registering_nothing_returns_nothing(self) -> None:
        assert self.open().register([]).states == ()

    def test_an_id_that_was_never_registered_has_no_row_and_no_grant(self) -> None:
        store = self.start()
        reply = store.claim(A, LONG, ROOM, [Proposal("other", 1)])
        assert (reply.grants, reply.refused) == ((), ())
        assert store.states(["other"]) == ()
        assert store.history("other", 5) == ()

    def test_ids_are_told_apart_byte_for_byte(self) -> None:
        store = self.start(*_ALIKE)
        assert {state.id for state in store.states()} == set(_ALIKE)
        reply = claim(store, *_ALIKE)
        assert {grant.id for grant in reply.grants} == set(_ALIKE)
        assert len({grant.id for grant in reply.grants}) == len(_ALIKE)

    def test_ids_and_definitions_come_back_as_they_were_given(self) -> None:
        store = self.open()
        store.register([Definition(id, id) for id in _STRANGE])
        assert {state.id: state.definition for state in store.states()} == {id: id for id in _STRANGE}
        for id in _STRANGE:
            assert take(store, id).id == id
            assert is_refused(store, id)

    def test_more_than_a_thousand_ids_go_through_one_call(self) -> None:
        ids = [f"job {number:04}" for number in range(2_003)]
        store = self.start(*ids)
        assert [state.id for state in store.states()] == ids
        slot = due_slot(store, ids[-1])
        reply = store.claim(A, LONG, ROOM, [Proposal(id, slot) for id in ids])
        assert len(reply.grants) == len(ids)
        assert reply.refused == ()
