"""Rows as the statements return them, made into the values of the port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasker.ports import Grant, Outcome, Reason, RunRecord, ScheduleState
from tasker.store.postgresql._session import Row

# Values of an enumeration are looked up here: its constructor costs ten times as much. What is unknown was written by a
# newer version.
_OUTCOMES: Mapping[str | None, Outcome] = {outcome.value: outcome for outcome in Outcome}
_REASONS: Mapping[str | None, Reason] = {reason.value: reason for reason in Reason}


def state_of(facts: Row) -> ScheduleState:
    """Return the state of a schedule from the columns in `_statements.FACTS`."""
    return ScheduleState(
        id=facts[0],
        decided=facts[1],
        definition=facts[2],
        defined=facts[3],
        ended=facts[4],
        last_outcome=_OUTCOMES.get(facts[5]),
        last_success=facts[6],
        runs=facts[7],
        failures=facts[8],
        token=facts[9],
        owner=facts[10],
        lease_until=facts[11],
        slot=facts[12],
        manual=facts[13],
        attempt=facts[14],
        started=facts[15],
        paused=facts[16],
        requested=facts[17],
        next_slot=facts[18],
        format=facts[19],
    )


def facts_of(state: ScheduleState) -> Row:
    """Return the columns in `_statements.FACTS` of a state."""
    return (
        state.id,
        state.decided,
        state.definition,
        state.defined,
        state.ended,
        state.last_outcome,
        state.last_success,
        state.runs,
        state.failures,
        state.token,
        state.owner,
        state.lease_until,
        state.slot,
        state.manual,
        state.attempt,
        state.started,
        state.paused,
        state.requested,
        state.next_slot,
        state.format,
    )


def states_of(rows: Iterable[Row], skip: int = 0) -> list[ScheduleState]:
    """Return the states in rows whose first `skip` columns are something else, leaving out rows without one."""
    return [state_of(row[skip:]) for row in rows if row[skip] is not None]


def grant_of(row: Row, ttl: int) -> Grant:
    """Return the grant in a row of `_statements.CLAIM`."""
    now, token, slot, manual, attempt = row[:5]
    state = state_of(row[5:])
    return Grant(state.id, token, slot, manual, attempt, now + ttl, state)


def ids_in(rows: Iterable[Row]) -> frozenset[str]:
    """Return the ids in the second column."""
    return frozenset(row[1] for row in rows if row[1] is not None)


def records_of(rows: Iterable[Row]) -> tuple[RunRecord, ...]:
    """Return the records of the history, without those whose outcome this version does not know."""
    return tuple(_record_of(row, _OUTCOMES[row[3]]) for row in rows if row[3] in _OUTCOMES)


def _record_of(row: Row, outcome: Outcome) -> RunRecord:
    return RunRecord(
        id=row[0],
        at=row[1],
        slot=row[2],
        outcome=outcome,
        until=row[4],
        count=row[5],
        reason=_REASONS.get(row[6]),
        manual=row[7],
        attempt=row[8],
        started=row[9],
        owner=row[10],
        token=row[11],
        error=row[12],
    )
