"""The state machine of a row, as plain functions of a row and the store's clock.

Each function is one operation on one row that nobody else touches meanwhile: the memory store calls them under its
lock, the SQLite store inside a write transaction. Read them as the specification for a store that says the same in its
own language. `now` is the store's clock in microseconds, read once for each operation.

A row whose format is newer than `FORMAT` is refused by all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasker._core.frozen import maker_of
from tasker.ports import (
    FORMAT,
    REGISTERED_ANEW_AFTER,
    Action,
    Answer,
    Definition,
    Ending,
    Grant,
    Outcome,
    Passed,
    Proposal,
    Reason,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store._row import Row

_grant_of = maker_of(Grant)
_record_of = maker_of(RunRecord)


def new(definition: Definition, now: int) -> Row:
    """Make the row of a schedule that is seen for the first time: what lies before now is nobody's misfire."""
    return Row(
        id=definition.id,
        decided=now,
        definition=definition.text,
        defined=now,
        registered=now,
        next_slot=definition.next_slot,
    )


def register_again(row: Row, definition: Definition, now: int) -> bool:
    """Note another definition of a known schedule, and now and then that it is still run; return whether it changed."""
    is_another = row.definition != definition.text
    if row.format > FORMAT or not (is_another or row.registered < now - REGISTERED_ANEW_AFTER):
        return False
    row.registered = now
    if is_another:
        row.definition = definition.text
        row.defined = now
        row.next_slot = definition.next_slot
    return True


def is_purgeable(row: Row, before: int, now: int) -> bool:
    """Tell whether a schedule that nobody has registered since `before` may be deleted."""
    return row.format <= FORMAT and row.registered < before and not _is_held(row, now)


def is_claimable(row: Row, proposal: Proposal, now: int) -> bool:
    """Tell whether a slot of this row may be given to whoever proposes it."""
    if row.format > FORMAT or _is_held(row, now):
        return False
    if row.requested is not None or row.manual:
        return True
    if row.paused is not None:
        return False
    if row.slot is not None:
        return True
    return row.decided < proposal.slot <= now and (proposal.base is None or proposal.base == row.ended)


def _is_held(row: Row, now: int) -> bool:
    return row.lease_until is not None and row.lease_until > now


def claim(row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> tuple[Grant, RunRecord | None]:
    """Give a claimable row to `owner`; return what it may run, and the record of the attempt that died, if one did."""
    before = row.state()
    dead = _bury(row, now)
    if row.slot is not None:
        row.attempt += 1
    else:
        row.attempt = 1
        row.manual = row.requested is not None
        row.slot = proposal.slot if row.requested is None else row.requested
        row.requested = None
    row.token = max(row.token + 1, now)
    row.owner = owner
    row.lease_until = now + ttl
    row.started = now
    return _grant_of(row.id, row.token, row.slot, row.manual, row.attempt, row.lease_until, before), dead


def _bury(row: Row, now: int) -> RunRecord | None:
    """Record the attempt of an owner whose lease is over: it cannot do so itself."""
    if row.owner is None:
        return None
    row.last_outcome = Outcome.LEASE_LOST
    row.runs += 1
    row.failures += 1
    return _record(row, Outcome.LEASE_LOST, now)


def renew(row: Row, owner: str, token: int, ttl: int, now: int) -> bool:
    """Let a lease end later, if it is still that of `owner` and `token`; return whether it is.

    That it is over does not matter as long as nobody took it.
    """
    if not is_holder(row, owner, token):
        return False
    row.lease_until = now + ttl
    return True


def is_holder(row: Row, owner: str, token: int) -> bool:
    """Tell whether the row was given to `owner` under `token` and to nobody since."""
    return row.owner == owner and row.token == token and row.format <= FORMAT


def finish(row: Row, ending: Ending, now: int) -> list[RunRecord]:
    """Record how the holder's run ended and free the row; without `through` its slot stays for the next claim."""
    records = [_record(row, ending.outcome, now, ending.error, ending.retries)]
    undecided = (_undecided(row, passed) for passed in ending.passed)
    records.extend(_passed_over(row.id, passed, now) for passed in undecided if passed is not None)
    row.owner = row.lease_until = None
    row.last_token = row.token
    row.ended = now
    row.next_slot = ending.next_slot
    _count(row, ending.outcome, now)
    if ending.through is not None:
        row.decided = max(row.decided, ending.through)
        _empty(row)
    return records


def _undecided(row: Row, passed: Passed) -> Passed | None:
    """Return what is left of a range: if the schedule was resumed during the run, a pause has taken what was before."""
    if passed.reason is not Reason.OVERLAP or passed.slot > row.decided:
        return passed
    return None if passed.until <= row.decided else Passed(row.decided + 1, passed.until, None, passed.reason)


def is_given_back(ending: Ending, answer: Answer) -> bool:
    """Tell whether others should hear at once that a slot waits for them."""
    return answer is Answer.RECORDED and (ending.through is None or ending.outcome is Outcome.INTERRUPTED)


def _count(row: Row, outcome: Outcome, now: int) -> None:
    row.runs += 1
    row.last_outcome = outcome
    if outcome is Outcome.SUCCEEDED:
        row.last_success = now
        row.failures = 0
    elif outcome is not Outcome.INTERRUPTED:
        row.failures += 1


def _empty(row: Row) -> None:
    row.slot = row.started = None
    row.manual = False
    row.attempt = 0


def was_recorded(row: Row, owner: str, ending: Ending, history: Iterable[RunRecord]) -> bool:
    """Tell whether this very ending was recorded before, so that only the answer was lost.

    The outcome is compared because whoever took the row over has recorded the same token as `lease_lost`, and without
    an error, which a slot that is given up has.
    """
    return row.last_token == ending.token or any(
        record.token == ending.token
        and record.owner == owner
        and record.outcome == ending.outcome
        and (record.error is None) == (ending.error is None)
        for record in history
    )


def skip(row: Row, skipped: Skip, now: int) -> RunRecord | None:
    """Decide slots of a free row without a run; return the record, or `None` if the row is not free for that.

    A range that begins with a decided slot was made by someone who has not heard of that yet.
    """
    if row.format > FORMAT or row.owner is not None or row.slot is not None or skipped.passed.slot <= row.decided:
        return None
    row.decided = skipped.through
    row.next_slot = skipped.next_slot
    return _passed_over(row.id, skipped.passed, now)


def release(row: Row) -> None:
    """Take back a claim whose run was never started: the attempt does not count.

    A slot at its first attempt can be proposed again by anyone, but a manual one exists only in the row. So does one
    before the end of a pause that has ended meanwhile.
    """
    row.owner = row.lease_until = row.started = None
    row.attempt -= 1
    can_be_proposed = row.slot is None or (row.slot > row.decided and not row.manual)
    if row.attempt == 0 and can_be_proposed:
        _empty(row)


def control(row: Row, action: Action, now: int) -> RunRecord | None:
    """Pause, resume or trigger; return the record of the slots that a pause has swallowed."""
    if action is Action.PAUSE:
        row.paused = now if row.paused is None else row.paused
    elif action is Action.TRIGGER:
        row.requested = now if row.requested is None else row.requested
    elif row.paused is not None:
        return _resume(row, now)
    return None


def _resume(row: Row, now: int) -> RunRecord | None:
    passed = passed_while_paused(row, now)
    row.paused = None
    row.decided = max(row.decided, now)
    return None if passed is None else _passed_over(row.id, passed, now)


def passed_while_paused(row: Row | ScheduleState, now: int) -> Passed | None:
    """Return the range of slots that are passed over if a paused row is resumed now, if there can be any."""
    # A slot in the row keeps its own record to come; a manual one is not a slot of the schedule.
    last = row.decided if row.slot is None or row.manual else max(row.decided, row.slot)
    return None if last >= now else Passed(last + 1, now, None, Reason.PAUSED)


def _record(row: Row, outcome: Outcome, now: int, error: str | None = None, retries: int = 0) -> RunRecord:
    return _record_of(
        id=row.id,
        at=now,
        slot=row.decided if row.slot is None else row.slot,
        outcome=outcome,
        until=None,
        count=1,
        reason=None,
        manual=row.manual,
        attempt=row.attempt,
        started=row.started,
        owner=row.owner,
        token=row.token,
        error=error,
        retries=retries,
    )


def _passed_over(id: str, passed: Passed, now: int) -> RunRecord:
    return RunRecord(
        id=id,
        at=now,
        slot=passed.slot,
        until=passed.until,
        count=passed.count,
        outcome=Outcome.SKIPPED,
        reason=passed.reason,
    )
