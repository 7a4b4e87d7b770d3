"""Rows as the statements return them, made into the values of the port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from tasker._core.frozen import maker_of
from tasker.ports import Grant, Instance, Outcome, Reason, RunRecord, ScheduleState
from tasker.store._row import state_with
from tasker.store.postgresql._session import Row
from tasker.store.postgresql._statements import FACTS

# Values of an enumeration are looked up here: its constructor costs ten times as much. What is unknown was written by a
# newer version.
_OUTCOMES: Mapping[str | None, Outcome] = {outcome.value: outcome for outcome in Outcome}
_OUTCOME_AT = FACTS.index("last_outcome")
_grant = maker_of(Grant)
_facts_of: Callable[[ScheduleState], Row] = attrgetter(*FACTS)
_REASONS: Mapping[str | None, Reason] = {reason.value: reason for reason in Reason}


def state_of(facts: Row) -> ScheduleState:
    """Return the state of a schedule from the columns in `_statements.FACTS`."""
    values = list(facts)
    values[_OUTCOME_AT] = _OUTCOMES.get(facts[_OUTCOME_AT])
    return state_with(*values)


def facts_of(state: ScheduleState) -> Row:
    """Return the columns in `_statements.FACTS` of a state."""
    return _facts_of(state)


def states_of(rows: Iterable[Row], skip: int = 0) -> list[ScheduleState]:
    """Return the states in rows whose first `skip` columns are something else, leaving out rows without one."""
    return [state_of(row[skip:]) for row in rows if row[skip] is not None]


def grant_of(row: Row, ttl: int) -> Grant:
    """Return the grant in a row of `_statements.CLAIM`."""
    now, _, token, slot, manual, attempt, id = row[:7]
    return _grant(id, token, slot, manual, attempt, now + ttl, state_of(row[6:]))


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
        retries=row[13],
    )


def instance_of(row: Row) -> Instance:
    """Return the instance in a row of `_instance_statements.INSTANCES`."""
    owner, name, version, started, seen, draining = row
    return Instance(owner=owner, name=name, version=version, started=started, seen=seen, is_draining=draining)
