"""The judge of the cluster tests: good evidence passes, and each kind of bad evidence is called what it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasker.ports import Outcome, Reason, RunRecord, ScheduleState
from tests._support.cluster_journal import Work
from tests._support.cluster_judge import Evidence, Rules, problems

SECOND = 1_000_000
PIDS = {"A": 1, "B": 2}
RULES = Rules(step=SECOND, lease=3 * SECOND)


def run(
    slot: int,
    *,
    started: int | None = None,
    took: int = 200_000,
    attempt: int = 1,
    owner: str = "A",
    outcome: Outcome = Outcome.SUCCEEDED,
) -> RunRecord:
    """Return a run that was claimed 1,000 µs after its slot, unless something else is said; slots in seconds."""
    claimed = slot * SECOND + 1000 if started is None else started
    return RunRecord(
        id="job",
        at=claimed + took,
        slot=slot * SECOND,
        outcome=outcome,
        attempt=attempt,
        started=claimed,
        owner=owner,
        token=claimed,
    )


def work_of(record: RunRecord) -> Work:
    """Return what the job of a run wrote down: 100 µs after its start, and 100 µs before its end if it succeeded."""
    assert record.started is not None
    assert record.owner is not None
    return Work(
        id="job",
        slot=record.slot,
        attempt=record.attempt,
        token=record.token,
        owner=record.owner,
        pid=PIDS[record.owner],
        started=record.started + 100,
        ended=record.at - 100 if record.outcome is Outcome.SUCCEEDED else None,
    )


def skipped(first: int, last: int) -> RunRecord:
    return RunRecord(
        id="job",
        at=last * SECOND + 500_000,
        slot=first * SECOND,
        until=last * SECOND,
        count=last - first + 1,
        outcome=Outcome.SKIPPED,
        reason=Reason.OVERLAP,
    )


def evidence(*records: RunRecord, defined: int = 10, decided: int = 13) -> Evidence:
    """Return what these records leave behind, in a row that was made just after one slot and has decided another."""
    state = ScheduleState(id="job", defined=defined * SECOND + 1, decided=decided * SECOND)
    works = [work_of(record) for record in records if record.outcome is not Outcome.SKIPPED]
    return Evidence(state=state, records=records, works=works)


GOOD = evidence(run(11), run(12), run(13))
KILLED = replace(RULES, killed=frozenset({"A"}))
# A is killed during slot 11; B runs it again when the lease is over, which takes until slots 12 to 14 have passed.
DEAD = run(11, took=3 * SECOND + 5000, outcome=Outcome.LEASE_LOST)
AGAIN = run(11, started=DEAD.at, attempt=2, owner="B")
TAKEN_OVER = evidence(DEAD, AGAIN, skipped(12, 14), run(15, owner="B"), decided=15)


def found(bad: Evidence, rules: Rules = RULES) -> list[str]:
    return [problem.removeprefix("job: ") for problem in problems(bad, rules)]


def test_a_slot_each_second_in_turn_is_no_problem() -> None:
    assert found(GOOD) == []


def test_a_killed_run_that_is_run_again_after_its_lease_is_no_problem() -> None:
    assert found(TAKEN_OVER, KILLED) == []


def test_a_run_that_was_killed_before_it_wrote_anything_is_no_problem() -> None:
    assert found(replace(TAKEN_OVER, works=TAKEN_OVER.works[1:]), KILLED) == []


def test_a_run_that_was_killed_after_its_work_and_before_its_recording_is_no_problem() -> None:
    dead, *others = TAKEN_OVER.works
    done = replace(TAKEN_OVER, works=[replace(dead, ended=dead.started + 10), *others])
    assert found(done, KILLED) == []


def test_an_interrupted_run_whose_slot_is_started_at_once_by_another_is_no_problem() -> None:
    interrupted = run(11, outcome=Outcome.INTERRUPTED)
    assert found(evidence(interrupted, run(11, started=interrupted.at + 1, attempt=2, owner="B"), decided=11)) == []


def test_a_slot_that_was_given_back_last_is_no_problem() -> None:
    assert found(evidence(run(11), run(12), run(13, outcome=Outcome.INTERRUPTED), decided=12)) == []


def test_a_slot_that_was_recorded_twice_is_found() -> None:
    assert "slot 12000000 was recorded 2 times" in found(
        evidence(run(11), run(12), run(12, started=12_500_000), run(13))
    )


def test_a_slot_that_was_done_twice_is_found_although_one_was_recorded_as_lost() -> None:
    again = run(12, started=15_900_000, attempt=2)
    works = [work_of(each) for each in (run(11), run(12), again)]
    lost = evidence(run(11), run(12, outcome=Outcome.LEASE_LOST, took=3_100_000), again)
    assert "slot 12000000 was done 2 times" in found(replace(lost, works=works))


@pytest.mark.parametrize("side", ["records", "works"])
def test_two_at_a_time_are_found_on_either_side(side: str) -> None:
    early = run(12, started=11_150_000, owner="B")
    if side == "records":
        bad = replace(evidence(run(11), early, run(13)), works=GOOD.works)
        assert "the run for slot 12000000 began 51000 µs before another had ended" in found(bad)
    else:
        bad = replace(GOOD, works=[work_of(each) for each in (run(11), early, run(13))])
        assert "the work for slot 12000000 began 50800 µs before another had ended" in found(bad)


def test_a_slot_that_is_taken_before_the_lease_of_the_dead_is_over_is_found() -> None:
    dead = replace(DEAD, at=DEAD.at - 6000)
    again = run(11, started=dead.at, attempt=2, owner="B")
    expected = "the run for slot 11000000 began before the lease of the one before could be over"
    assert found(evidence(dead, again, skipped(12, 14), decided=14), KILLED) == [expected]


def test_a_lost_slot_is_found() -> None:
    assert found(evidence(run(11), run(13))) == ["slot 12000000 was lost"]


def test_a_lost_first_slot_and_a_lost_last_one_are_found() -> None:
    assert found(evidence(run(12))) == ["slot 11000000 was lost", "slot 13000000 was lost"]


def test_nothing_at_all_is_found() -> None:
    assert found(evidence(decided=10)) == ["no slot was decided"]


def test_a_slot_that_was_run_and_skipped_is_found() -> None:
    assert found(evidence(run(11), run(12), skipped(12, 12), run(13))) == ["slot 12000000 was run and skipped"]


def test_a_slot_that_was_skipped_twice_is_found() -> None:
    twice = evidence(run(11), skipped(12, 12), skipped(12, 12), run(13))
    assert found(twice) == ["slot 12000000 was skipped 2 times"]


def test_a_range_with_a_wrong_number_is_found() -> None:
    wrong = evidence(run(11), replace(skipped(12, 13), count=3))
    assert found(wrong) == ["3 slots are recorded for the 2 from 12000000 to 13000000"]


def test_a_skipped_slot_is_found_where_all_are_to_be_run() -> None:
    rules = replace(RULES, runs_all=True)
    assert found(GOOD, rules) == []
    assert found(evidence(run(11), skipped(12, 12), run(13)), rules) == ["1 slots were skipped"]


def test_a_run_for_what_is_no_slot_is_found() -> None:
    odd = replace(run(12, started=12_300_000), slot=12_200_000)
    assert "12200000 is no slot of the schedule" in found(evidence(run(11), run(12, took=100), odd, run(13)))


def test_an_attempt_that_is_missing_is_found() -> None:
    assert "the attempts at slot 12000000 are [2]" in found(evidence(run(11), run(12, attempt=2), run(13)))


def test_a_start_after_the_answer_is_found() -> None:
    again = run(12, started=12_500_000, attempt=2)
    assert "slot 12000000 was started again after it was answered" in found(evidence(run(11), run(12), again, run(13)))


def test_a_slot_that_was_given_up_is_found() -> None:
    gone = evidence(run(11), run(12), run(13, outcome=Outcome.LEASE_LOST))
    assert "slot 13000000 was given up: lease_lost" in found(gone, KILLED)


@pytest.mark.parametrize("side", ["records", "works"])
def test_a_token_that_does_not_grow_is_found_on_either_side(side: str) -> None:
    runs = [run(11), replace(run(12), token=11_001_000), run(13)]
    if side == "records":
        bad = replace(GOOD, records=runs)
        assert "token 11001000 came after 11001000 in the history" in found(bad)
    else:
        bad = replace(GOOD, works=[work_of(each) for each in runs])
        assert "token 11001000 came after 11001000 in the journal" in found(bad)


def test_work_that_was_not_recorded_is_found() -> None:
    missing = replace(GOOD, records=GOOD.records[:2], state=replace(GOOD.state, decided=12 * SECOND))
    assert found(missing) == ["the work for slot 13000000, attempt 1 is not recorded"]


def test_a_success_without_the_work_is_found() -> None:
    first, *others = GOOD.works
    for works in (others, [replace(first, ended=None), *others]):
        expected = "slot 11000000 was recorded succeeded, but its work was not done"
        assert found(replace(GOOD, works=works)) == [expected]


def test_work_of_another_than_the_recorded_owner_is_found() -> None:
    first, *others = GOOD.works
    (problem,) = found(replace(GOOD, works=[replace(first, owner="B"), *others]))
    assert "is not what" in problem


def test_a_lost_lease_of_someone_who_lives_is_found() -> None:
    expected = "slot 11000000: a lease was lost by an instance that was not killed: A"
    assert found(TAKEN_OVER) == [expected]


def test_a_failure_is_found() -> None:
    failed = evidence(run(11), replace(run(12, outcome=Outcome.FAILED), error="duplicate key"), run(13))
    assert found(failed) == ["slot 12000000 failed: duplicate key"]
