"""What `Store.control` and `Store.poll` promise."""

from __future__ import annotations

from collections.abc import Callable

from tasker.contract._stores import (
    LONG,
    ROOM,
    A,
    B,
    StoreSteps,
    due_slot,
    expire,
    finish,
    is_refused,
    now_of,
    only_record,
    outcomes,
    state_of,
    take,
    together,
    wait_until,
)
from tasker.ports import Action, Ending, Outcome, Passed, Proposal, Reason, Skip, Store


class Controlling(StoreSteps):
    """People pause, resume and trigger schedules from any process."""

    def test_pausing_is_noted_once(self) -> None:
        store = self.start()
        before = now_of(store)
        assert store.control(Action.PAUSE, ["job"]).ids == {"job"}
        paused = state_of(store).paused
        assert paused is not None
        assert before <= paused <= now_of(store)
        wait_until(store, paused + 1)
        self.open().control(Action.PAUSE, ["job"])
        assert state_of(store).paused == paused

    def test_pausing_lets_a_run_go_on(self) -> None:
        store = self.start()
        grant = take(store)
        store.control(Action.PAUSE, ["job"])
        state = state_of(store)
        assert (state.owner, state.lease_until) == (A, grant.lease_until)
        finish(store, grant)
        assert outcomes(store) == [Outcome.SUCCEEDED]
        assert state_of(store).paused is not None, "the end of a run has undone a pause"

    def test_resuming_decides_what_the_pause_has_swallowed_as_one_range(self) -> None:
        store = self.start()
        finish(store, take(store))
        store.control(Action.PAUSE, ["job"])
        before = state_of(store)
        wait_until(store, (before.paused or 0) + 1_000)
        assert store.control(Action.RESUME, ["job"]).ids == {"job"}
        after = state_of(store)
        assert (after.paused, after.ended, after.runs) == (None, before.ended, before.runs)
        assert (before.paused or 0) < after.decided <= now_of(store)
        newest = store.history("job", 1)[0]
        assert (newest.outcome, newest.reason) == (Outcome.SKIPPED, Reason.PAUSED)
        assert before.decided < newest.slot <= (before.paused or 0), "the range begins after the last decided slot"
        assert newest.until == after.decided

    def test_a_resumed_schedule_goes_on_with_slots_after_the_pause(self) -> None:
        store = self.start()
        swallowed = due_slot(store)
        store.control(Action.PAUSE, ["job"])
        store.control(Action.RESUME, ["job"])
        assert store.claim(A, LONG, 1, [Proposal("job", swallowed)]).grants == ()
        assert take(store).slot > swallowed

    def test_resuming_never_moves_decided_back(self) -> None:
        store = self.start()
        through = now_of(store) + LONG
        store.skip([Skip("job", through, Passed(through, through, 1, Reason.MISFIRED))])
        store.control(Action.PAUSE, ["job"])
        store.control(Action.RESUME, ["job"])
        assert state_of(store).decided == through

    def test_resuming_what_is_not_paused_decides_nothing(self) -> None:
        store = self.start()
        before = state_of(store)
        assert store.control(Action.RESUME, ["job"]).ids == {"job"}
        assert state_of(store) == before
        assert outcomes(store) == []

    def test_a_slot_that_was_given_back_before_the_pause_is_started_after_it(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.INTERRUPTED)
        store.control(Action.PAUSE, ["job"])
        store.control(Action.RESUME, ["job"])
        second = take(store)
        assert (second.slot, second.attempt) == (first.slot, 2)
        ranges = [record for record in store.history("job", ROOM) if record.reason is Reason.PAUSED]
        assert all(record.slot > first.slot for record in ranges), "a slot that is still to run was recorded as skipped"

    def test_triggering_asks_for_one_run_however_often(self) -> None:
        store = self.start()
        assert store.control(Action.TRIGGER, ["job"]).ids == {"job"}
        requested = state_of(store).requested
        assert requested is not None
        wait_until(store, requested + 1)
        self.open().control(Action.TRIGGER, ["job"])
        assert state_of(store).requested == requested
        grant = take(store)
        assert (grant.slot, grant.manual, grant.attempt) == (requested, True, 1)
        assert grant.state.requested == requested
        assert state_of(store).requested is None
        assert state_of(store).manual is True

    def test_a_request_needs_no_proposal_that_is_due(self) -> None:
        store = self.start()
        store.control(Action.TRIGGER, ["job"])
        grants = store.claim(A, LONG, 1, [Proposal("job", now_of(store) + LONG, base=1)]).grants
        assert [grant.manual for grant in grants] == [True]

    def test_a_request_is_run_even_if_the_schedule_is_paused(self) -> None:
        store = self.start()
        store.control(Action.PAUSE, ["job"])
        store.control(Action.TRIGGER, ["job"])
        assert take(store).manual
        assert state_of(store).paused is not None

    def test_a_manual_run_is_recorded_as_one_and_need_not_decide_slots(self) -> None:
        store = self.start()
        decided = state_of(store).decided
        store.control(Action.TRIGGER, ["job"])
        grant = take(store)
        _finish_through(store, grant.token, decided)
        state = state_of(store)
        assert (state.decided, state.slot, state.manual) == (decided, None, False)
        record = only_record(store)
        assert (record.manual, record.slot) == (True, grant.slot)

    def test_a_request_does_not_disturb_the_run_that_goes_on_and_comes_after_it(self) -> None:
        store = self.start()
        grant = take(store)
        store.control(Action.TRIGGER, ["job"])
        assert is_refused(store)
        finish(store, grant)
        assert take(store, owner=B).manual

    def test_a_slot_in_the_row_comes_before_a_request(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.INTERRUPTED)
        store.control(Action.TRIGGER, ["job"])
        second = take(store)
        assert (second.slot, second.manual, second.attempt) == (first.slot, False, 2)
        finish(store, second)
        third = take(store)
        assert (third.manual, third.attempt) == (True, 1)

    def test_a_manual_run_whose_lease_is_over_is_taken_over_as_one(self) -> None:
        store = self.start()
        store.control(Action.TRIGGER, ["job"])
        first = take(store, ttl=self.short())
        expire(store, first)
        second = take(store, owner=B)
        assert (second.slot, second.manual, second.attempt) == (first.slot, True, 2)

    def test_only_known_ids_are_answered(self) -> None:
        store = self.start("job", "other")
        assert store.control(Action.PAUSE, ["job", "unknown"]).ids == {"job"}
        assert state_of(store, "other").paused is None
        assert store.control(Action.PAUSE, []).ids == frozenset()

    def test_none_means_all(self) -> None:
        ids = {f"job {number:04}" for number in range(1_203)}
        store = self.start(*sorted(ids))
        assert store.control(Action.PAUSE, None).ids == ids
        assert all(state.paused is not None for state in store.states())


class Polling(StoreSteps):
    """One cheap question a second hears of everything that people did and of every slot that was given back."""

    def test_each_control_rings_the_bell_for_the_rows_it_names(self) -> None:
        store = self.start("job", "other")
        for action in Action:
            epoch = store.poll(0).epoch
            self.open().control(action, ["job"])
            reply = store.poll(epoch)
            assert reply.epoch > epoch
            assert reply.states == (state_of(store),)

    def test_nothing_is_returned_when_nothing_was_rung_since(self) -> None:
        store = self.start()
        store.control(Action.PAUSE, ["job"])
        epoch = store.poll(0).epoch
        reply = store.poll(epoch)
        assert (reply.epoch, reply.states) == (epoch, ())

    def test_registering_claiming_and_renewing_ring_no_bell(self) -> None:
        store = self.open()
        epoch = store.poll(0).epoch
        grant = take(self.start())
        store.renew(A, LONG, [], store.call_limit)
        finish(store, grant)
        assert store.poll(epoch).epoch == epoch

    def test_all_rows_rung_since_are_returned_with_their_newest_state(self) -> None:
        store = self.start("a", "b", "c")
        epoch = store.poll(0).epoch
        store.control(Action.PAUSE, ["a"])
        store.control(Action.TRIGGER, ["b"])
        store.control(Action.RESUME, ["a"])
        reply = store.poll(epoch)
        assert {state.id: state for state in reply.states} == {id: state_of(store, id) for id in "ab"}

    def test_a_row_is_seen_again_when_it_is_rung_again(self) -> None:
        store = self.start("a", "b")
        store.control(Action.PAUSE, None)
        epoch = store.poll(0).epoch
        store.control(Action.RESUME, ["a"])
        assert [state.id for state in store.poll(epoch).states] == ["a"]

    def test_the_clock_of_a_poll_does_not_stand_still(self) -> None:
        store = self.start()
        wait_until(store, now_of(store) + 1_000)

    def test_a_poll_misses_nothing_while_others_ring(self) -> None:
        ids = [f"job {number}" for number in range(8)]
        store = self.start(*ids)
        epoch = store.poll(0).epoch
        heard: set[str] = set()
        handles = {id: self.open() for id in ids}

        def ringer(id: str) -> Callable[[], None]:
            return lambda: _ring_in_turn(handles[id], id)

        def listen() -> None:
            nonlocal epoch
            for _ in range(100):
                reply = store.poll(epoch)
                heard.update(state.id for state in reply.states if state.requested is not None)
                epoch = reply.epoch

        together([*map(ringer, ids), listen])
        heard.update(state.id for state in store.poll(epoch).states if state.requested is not None)
        assert heard == set(ids)


def _ring_in_turn(store: Store, id: str) -> None:
    for action in (Action.PAUSE, Action.RESUME, Action.TRIGGER):
        store.control(action, [id])


def _finish_through(store: Store, token: int, through: int) -> None:
    store.finish(A, [Ending(id="job", token=token, outcome=Outcome.SUCCEEDED, through=through)])
