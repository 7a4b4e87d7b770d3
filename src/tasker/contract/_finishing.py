"""What `Store.finish` promises."""

from __future__ import annotations

from tasker.contract._stores import (
    ROOM,
    A,
    B,
    StoreSteps,
    due_slot,
    expire,
    finish,
    held,
    is_refused,
    now_of,
    only_record,
    outcomes,
    runs,
    state_of,
    take,
)
from tasker.ports import Action, Answer, Ending, Outcome, Passed, Reason


class Finishing(StoreSteps):
    """An ending is recorded once, under the token that the run was given, and frees the row."""

    def test_an_ending_decides_its_slot_and_frees_the_row(self) -> None:
        store = self.start()
        grant = take(store)
        before = now_of(store)
        assert finish(store, grant) is Answer.RECORDED
        state = state_of(store)
        assert (state.owner, state.lease_until, state.slot, state.manual) == (None, None, None, False)
        assert (state.decided, state.token) == (grant.slot, grant.token)
        assert state.ended is not None
        assert before <= state.ended <= now_of(store)

    def test_every_final_outcome_is_recorded_as_it_is(self) -> None:
        for outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LEASE_LOST):
            store = self.start(outcome)
            grant = take(store, outcome)
            ending = Ending(id=outcome, token=grant.token, outcome=outcome, through=grant.slot)
            assert store.finish(A, [ending]).answers == {outcome: Answer.RECORDED}
            assert outcomes(store, outcome) == [outcome]
            assert state_of(store, outcome).last_outcome is outcome
            assert state_of(store, outcome).decided == grant.slot

    def test_a_record_says_what_ran_when_by_whom_and_what_went_wrong(self) -> None:
        store = self.start()
        grant = take(store)
        finish(store, grant, Outcome.FAILED, error="ValueError: 100% \u2713 'no'\nline two")
        record = only_record(store)
        assert (record.id, record.slot, record.outcome) == ("job", grant.slot, Outcome.FAILED)
        assert (record.until, record.count, record.reason) == (None, 1, None)
        assert (record.manual, record.attempt, record.owner, record.token) == (False, 1, A, grant.token)
        assert record.error == "ValueError: 100% \u2713 'no'\nline two"
        assert record.started is not None
        assert record.started <= record.at == state_of(store).ended

    def test_an_error_that_has_no_bytes_is_recorded_all_the_same(self) -> None:
        store = self.start()
        assert finish(store, take(store), Outcome.FAILED, error="before\0between\ud800after") is Answer.RECORDED
        error = only_record(store).error
        assert error is not None, "what people are to read was lost"
        assert error.startswith("before")
        assert error.endswith("after")

    def test_a_record_says_how_often_the_task_was_run_again_under_its_lease(self) -> None:
        store = self.start()
        for retries in (0, 3):
            finish(store, take(store), retries=retries)
        assert [record.retries for record in runs(store)] == [0, 3]
        assert state_of(store).runs == 2, "a retry is no run of its own"

    def test_runs_and_failures_in_a_row_are_counted(self) -> None:
        store = self.start()
        counts: list[tuple[int, int]] = []
        for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.INTERRUPTED, Outcome.FAILED, Outcome.SUCCEEDED):
            finish(store, take(store), outcome)
            state = state_of(store)
            counts.append((state.runs, state.failures))
        assert counts == [(1, 1), (2, 2), (3, 2), (4, 3), (5, 0)]

    def test_the_last_success_stays_when_a_later_run_fails(self) -> None:
        store = self.start()
        finish(store, take(store))
        success = state_of(store).last_success
        assert success == state_of(store).ended
        finish(store, take(store), Outcome.FAILED)
        state = state_of(store)
        assert (state.last_success, state.last_outcome) == (success, Outcome.FAILED)

    def test_decided_goes_as_far_as_the_ending_says_and_the_ranges_are_recorded(self) -> None:
        store = self.start()
        slot = due_slot(store)
        grant = take(store)
        passed = (
            Passed(slot - 100, slot - 10, 10, Reason.MISFIRED),
            Passed(slot + 10, slot + 100, None, Reason.OVERLAP),
        )
        ending = Ending(
            id="job",
            token=grant.token,
            outcome=Outcome.SUCCEEDED,
            through=slot + 100,
            passed=passed,
            next_slot=slot + 110,
        )
        store.finish(A, [ending])
        state = state_of(store)
        assert (state.decided, state.next_slot) == (slot + 100, slot + 110)
        skipped = [record for record in store.history("job", ROOM) if record.outcome is Outcome.SKIPPED]
        assert {Passed(r.slot, r.until or 0, r.count, r.reason or Reason.PAUSED) for r in skipped} == set(passed)
        assert all((record.attempt, record.token, record.owner) == (0, 0, None) for record in skipped)
        assert len(runs(store)) == 1

    def test_what_a_pause_has_taken_during_the_run_is_not_skipped_again(self) -> None:
        store = self.start("within", "across")
        grants = {id: take(store, id) for id in ("within", "across")}
        store.control(Action.PAUSE, None)
        store.control(Action.RESUME, None)
        decided = {id: state_of(store, id).decided for id in grants}
        missed = Passed(1, 2, 2, Reason.MISFIRED)
        for id, after in (("within", 0), ("across", 5)):
            passed = Passed(grants[id].slot + 1, decided[id] + after, 3, Reason.OVERLAP)
            assert finish(store, grants[id], passed=(missed, passed)) is Answer.RECORDED
        found = {
            id: {
                (record.reason, record.slot, record.until, record.count)
                for record in store.history(id, ROOM)
                if record.reason in (Reason.MISFIRED, Reason.OVERLAP)
            }
            for id in grants
        }
        before = (Reason.MISFIRED, 1, 2, 2)
        rest = (Reason.OVERLAP, decided["across"] + 1, decided["across"] + 5, None)
        assert found == {"within": {before}, "across": {before, rest}}, "slots that were paused have a second record"

    def test_decided_never_goes_back(self) -> None:
        store = self.start()
        grant = take(store)
        before = state_of(store).decided
        store.finish(A, [Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=before - 100)])
        state = state_of(store)
        assert (state.decided, state.slot) == (before, None)

    def test_a_lease_that_is_over_and_was_not_taken_can_be_finished(self) -> None:
        store = self.start()
        grant = take(store, ttl=self.short())
        expire(store, grant)
        assert finish(store, grant) is Answer.RECORDED
        assert outcomes(store) == [Outcome.SUCCEEDED]

    def test_a_run_can_be_finished_through_another_handle(self) -> None:
        grant = take(self.start())
        assert finish(self.open(), grant) is Answer.RECORDED

    def test_an_older_token_does_not_count(self) -> None:
        store = self.start()
        first = take(store)
        store.release(A, held(first))
        second = take(store)
        before = state_of(store)
        assert finish(store, first) is Answer.LOST, "a stale token was accepted"
        assert state_of(store) == before
        assert outcomes(store) == []
        assert finish(store, second) is Answer.RECORDED

    def test_the_token_of_another_owner_does_not_count(self) -> None:
        store = self.start()
        grant = take(store)
        before = state_of(store)
        assert finish(store, grant, owner=B) is Answer.LOST
        assert state_of(store) == before

    def test_a_schedule_without_a_row_is_lost(self) -> None:
        store = self.start()
        ending = Ending(id="other", token=1, outcome=Outcome.SUCCEEDED, through=1)
        assert store.finish(A, [ending]).answers == {"other": Answer.LOST}

    def test_the_same_ending_again_changes_nothing_and_is_known(self) -> None:
        store = self.start("job", "other")
        for id, outcome in (("job", Outcome.SUCCEEDED), ("other", Outcome.INTERRUPTED)):
            grant = take(store, id)
            finish(store, grant, outcome)
            before, epoch = state_of(store, id), store.poll(0).epoch
            assert finish(store, grant, outcome) is Answer.ALREADY
            assert (state_of(store, id), store.poll(0).epoch) == (before, epoch)
            assert outcomes(store, id) == [outcome]

    def test_the_same_ending_again_is_known_while_a_later_run_goes_on(self) -> None:
        store = self.start()
        finish(store, first := take(store))
        take(store, owner=B)
        before = state_of(store)
        assert finish(store, first) is Answer.ALREADY
        assert state_of(store) == before

    def test_the_same_ending_again_is_known_after_a_later_run_was_recorded(self) -> None:
        store = self.start()
        finish(store, first := take(store))
        finish(store, take(store, owner=B), owner=B)
        assert finish(store, first) is Answer.ALREADY
        assert outcomes(store) == [Outcome.SUCCEEDED] * 2

    def test_what_the_next_holder_recorded_is_not_taken_for_a_slot_that_was_given_up(self) -> None:
        store = self.start()
        given_up = take(store, ttl=self.short())
        expire(store, given_up)
        take(store, owner=B)
        ending = Ending(
            id="job", token=given_up.token, outcome=Outcome.LEASE_LOST, through=given_up.slot, error="given up"
        )
        assert store.finish(A, [ending]).answers == {"job": Answer.LOST}

    def test_a_batch_is_answered_id_by_id(self) -> None:
        store = self.start("mine", "done", "theirs")
        grants = {id: take(store, id) for id in ("mine", "done")} | {"theirs": take(store, "theirs", owner=B)}
        finish(store, grants["done"])
        endings = [
            Ending(id=id, token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)
            for id, grant in grants.items()
        ]
        answers = dict(store.finish(A, endings).answers)
        assert answers == {"mine": Answer.RECORDED, "done": Answer.ALREADY, "theirs": Answer.LOST}

    def test_more_than_a_thousand_runs_are_finished_in_one_call(self) -> None:
        ids = [f"job {number:04}" for number in range(1_203)]
        store = self.start(*ids)
        grant = take(store, ids[-1])
        endings = [Ending(id=id, token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot) for id in ids]
        answers = store.finish(A, endings).answers
        assert set(answers) == set(ids)
        assert [id for id in ids if answers[id] is not Answer.LOST] == [ids[-1]]

    def test_finishing_nothing_answers_nothing(self) -> None:
        assert dict(self.start().finish(A, []).answers) == {}


class GivingBack(StoreSteps):
    """An interrupted run gives its slot back, and the others hear of it."""

    def test_an_interrupted_run_leaves_its_slot_for_the_next_attempt_at_once(self) -> None:
        store = self.start()
        first = take(store)
        assert finish(store, first, Outcome.INTERRUPTED) is Answer.RECORDED
        state = state_of(store)
        assert (state.owner, state.slot, state.decided) == (None, first.slot, first.state.decided)
        second = take(self.open(), owner=B)
        assert (second.slot, second.attempt, second.manual) == (first.slot, 2, False)
        assert outcomes(store) == [Outcome.INTERRUPTED]

    def test_a_run_that_lost_its_lease_leaves_its_slot_for_the_next_attempt(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.LEASE_LOST)
        second = take(store, owner=B)
        assert (second.slot, second.attempt) == (first.slot, 2)
        assert outcomes(store) == [Outcome.LEASE_LOST]

    def test_a_slot_that_was_given_back_is_decided_by_the_next_attempt(self) -> None:
        store = self.start()
        first = take(store)
        finish(store, first, Outcome.INTERRUPTED)
        finish(store, take(store, owner=B), owner=B)
        state = state_of(store)
        assert (state.decided, state.slot) == (first.slot, None)
        assert take(store).slot > first.slot

    def test_an_interruption_rings_the_bell_for_its_row_alone(self) -> None:
        store = self.start("job", "other")
        grants = [take(store), take(store, "other")]
        epoch = self.open().poll(0).epoch
        finish(store, grants[0], Outcome.INTERRUPTED)
        finish(store, grants[1])
        reply = self.open().poll(epoch)
        assert reply.epoch > epoch
        assert reply.states == (state_of(store),)
        assert is_refused(store) is False

    def test_an_ending_that_decides_its_slot_rings_no_bell(self) -> None:
        store = self.start()
        epoch = store.poll(0).epoch
        finish(store, take(store))
        assert store.poll(epoch).epoch == epoch
