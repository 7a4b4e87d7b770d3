"""How the end of a run is reported to the store."""

from __future__ import annotations

import traceback

from tasker._core.frozen import maker_of
from tasker._core.leaving import Outcome as Left
from tasker._core.leaving import is_cancellation
from tasker.errors import DeadlineExceeded, LeaseLost
from tasker.ports import Ending, Grant, Outcome, Passed
from tasker.scheduler import _due
from tasker.scheduler._entry import ActiveRun
from tasker.scheduler._plan import Plan

_LONGEST_ERROR = 8_000
_ending_of = maker_of(Ending)


def ending_of(plan: Plan, active: ActiveRun, left: Left, now: int) -> Ending:
    """Report a run that ended by itself, failed, or left because its context ended."""
    outcome = _outcome_of(active, left)
    error = None if left is None or is_cancellation(left) else _text_of(left)
    goes_back = outcome in (Outcome.INTERRUPTED, Outcome.LEASE_LOST)
    return _ending(
        plan,
        active.grant,
        outcome,
        decided=active.entry.decided,
        now=now,
        error=error,
        goes_back=goes_back,
        retries=active.retries,
    )


def final_loss(plan: Plan, grant: Grant, now: int) -> Ending:
    """Give a slot up that was started too often without an answer."""
    error = f"given up: it was started {grant.attempt - 1} times, and none of the runs came to an end"
    decided = grant.state.decided
    return _ending(plan, grant, Outcome.LEASE_LOST, decided=decided, now=now, error=error, goes_back=False)


def _outcome_of(active: ActiveRun, left: Left) -> Outcome:
    if left is None:
        return Outcome.SUCCEEDED
    if is_cancellation(left):
        return Outcome.LEASE_LOST if isinstance(active.ctx.cause, LeaseLost) else Outcome.INTERRUPTED
    return Outcome.TIMED_OUT if isinstance(left, DeadlineExceeded) else Outcome.FAILED


def _ending(
    plan: Plan,
    grant: Grant,
    outcome: Outcome,
    *,
    decided: int,
    now: int,
    error: str | None,
    goes_back: bool,
    retries: int = 0,
) -> Ending:
    try:
        passed = () if goes_back else _passed(plan, grant, decided, now)
        through = None if goes_back else _due.through_of(grant, passed)
        next_slot = _due.next_slot_of(plan, through, grant, now)
    except Exception:  # noqa: BLE001 - a schedule that fails is found out by the next decision; the run has ended all the same
        passed, through, next_slot = (), None if goes_back else _due.through_of(grant, ()), None
    return _ending_of(
        id=grant.id,
        token=grant.token,
        outcome=outcome,
        through=through,
        passed=passed,
        next_slot=next_slot,
        error=error,
        retries=retries,
    )


def _passed(plan: Plan, grant: Grant, decided: int, now: int) -> tuple[Passed, ...]:
    before, during = _due.passed_before(plan, grant), _due.passed_during(plan, grant, decided, now)
    if before is None:
        return () if during is None else (during,)
    return (before,) if during is None else (before, during)


def _text_of(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= _LONGEST_ERROR else f"…{text[-_LONGEST_ERROR:]}"
