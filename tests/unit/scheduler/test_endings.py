from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tasker import Cancelled, Context, DeadlineExceeded, LeaseLost, schedule
from tasker._core.context import cancelled_by
from tasker.ports import Ending, Grant, Outcome, Passed, Reason
from tasker.scheduler._endings import ending_of, final_loss
from tasker.scheduler._entry import ActiveRun, Entry
from tasker.scheduler._known import Known
from tests._support.slots import at, plan, state
from tests._support.tasks import Boom, ended

DAILY = schedule.Daily(hour=4, tz="UTC")


def run(ctx: Context = Context.background(), slot: str = "01-03 04:00", attempt: int = 1) -> ActiveRun:  # noqa: B008
    grant = Grant("job", 7, at(slot), False, attempt, at(slot), state("01-01 04:00"))
    entry = Known()
    entry.note(grant.state)
    return ActiveRun(cast("Entry", entry), grant, ctx, 0.0)


@pytest.mark.parametrize(
    ("left", "outcome"),
    [
        (None, Outcome.SUCCEEDED),
        (Boom("why"), Outcome.FAILED),
        (SystemExit(3), Outcome.FAILED),
        (DeadlineExceeded("too long"), Outcome.TIMED_OUT),
        (ExceptionGroup("two", [Boom(), DeadlineExceeded()]), Outcome.FAILED),
    ],
)
def test_what_left_the_task_is_the_outcome(left: BaseException | None, outcome: Outcome) -> None:
    ending = ending_of(plan(DAILY), run(), left, at("01-03 05:00"))

    assert ending.outcome is outcome
    assert ending.through == at("01-03 04:00")
    assert ending.passed == (Passed(at("01-02 04:00"), at("01-02 04:00"), 1, Reason.MISFIRED),)
    assert ending.next_slot == at("01-04 04:00")
    assert (ending.error is None) is (left is None)


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (LeaseLost("gone"), Outcome.LEASE_LOST),
        (Cancelled("shutdown"), Outcome.INTERRUPTED),
        (DeadlineExceeded("of somebody above"), Outcome.INTERRUPTED),
        (Boom("a sibling failed"), Outcome.INTERRUPTED),
    ],
)
@pytest.mark.parametrize("left", ["Cancelled", "CancelledError"])
def test_a_cancelled_run_gives_its_slot_back(cause: BaseException, outcome: Outcome, left: str) -> None:
    error = cancelled_by(cause) if left == "Cancelled" else asyncio.CancelledError()

    ending = ending_of(plan(DAILY), run(ended(cause)), error, at("01-09 00:00"))

    assert ending == Ending(
        id="job", token=7, outcome=outcome, through=None, passed=(), next_slot=at("01-03 04:00"), error=None
    )


def test_a_result_counts_whatever_has_happened_to_the_context() -> None:
    lost = run(ended(LeaseLost("gone")))

    assert ending_of(plan(DAILY), lost, None, at("01-03 05:00")).outcome is Outcome.SUCCEEDED
    assert ending_of(plan(DAILY), lost, Boom(), at("01-03 05:00")).outcome is Outcome.FAILED


def test_a_slot_that_is_given_up_is_decided_with_what_passed_since() -> None:
    ending = final_loss(plan(DAILY), run(attempt=4).grant, at("01-04 05:00"))

    assert ending.outcome is Outcome.LEASE_LOST
    assert ending.through == at("01-04 04:00")
    assert [passed.reason for passed in ending.passed] == [Reason.MISFIRED, Reason.OVERLAP]
    assert ending.error == "given up: it was started 3 times, and none of the runs came to an end"


def test_a_long_error_keeps_its_end() -> None:
    ending = ending_of(plan(DAILY), run(), Boom("x" * 10_000 + " the point"), at("01-03 05:00"))

    assert ending.error is not None
    assert len(ending.error) == 8_001
    assert ending.error.endswith("the point\n")


class Broken:
    def next_after(self, instant: datetime) -> datetime | None:
        raise ZeroDivisionError

    def __str__(self) -> str:
        return "broken"


@pytest.mark.parametrize(
    ("left", "ctx", "through", "next_slot"),
    [
        (None, Context.background(), at("01-03 04:00"), None),
        (Cancelled(), ended(Cancelled()), None, at("01-03 04:00")),
    ],
)
def test_a_schedule_that_fails_keeps_no_run_from_being_recorded(
    left: Any, ctx: Context, through: int | None, next_slot: int | None
) -> None:
    ending = ending_of(plan(Broken()), run(ctx), left, at("01-03 05:00"))

    assert (ending.through, ending.passed, ending.next_slot) == (through, (), next_slot)


def test_the_slots_of_a_finished_schedule_have_no_next() -> None:
    once = plan(schedule.At(datetime(2026, 1, 3, 4, tzinfo=UTC)))

    assert ending_of(once, run(), None, at("01-03 05:00")).next_slot is None


def test_what_a_pause_has_decided_during_the_run_is_not_skipped_again() -> None:
    resumed = run()
    resumed.entry.decided = at("01-05 12:00")

    ending = ending_of(plan(DAILY), resumed, None, at("01-07 05:00"))

    during = [passed for passed in ending.passed if passed.reason is Reason.OVERLAP]
    assert during == [Passed(at("01-06 04:00"), at("01-07 04:00"), 2, Reason.OVERLAP)]
