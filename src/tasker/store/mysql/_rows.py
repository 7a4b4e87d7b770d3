"""Rows as the statements return them, made into the values of the port."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tasker.ports import UNREADABLE, Grant, Instance, Outcome, Reason, RunRecord, ScheduleState
from tasker.store.mysql._literals import decoded, text_of
from tasker.store.mysql._session import Row

# Values of an enumeration are looked up here: its constructor costs ten times as much. What is unknown was written by a
# newer version.
_OUTCOMES: Mapping[bytes | None, Outcome] = {outcome.value.encode(): outcome for outcome in Outcome}
_REASONS: Mapping[bytes | None, Reason] = {reason.value.encode(): reason for reason in Reason}


def state_of(facts: Row) -> ScheduleState:
    """Return the state of a schedule from the columns of `_schedules.facts`."""
    data, definition, outcome, owner, numbers = facts
    try:
        id = data.decode()
    except UnicodeDecodeError:
        return _unreadable(decoded(data), "id")
    (
        decided,
        defined,
        registered,
        ended,
        last_success,
        runs,
        failures,
        token,
        lease_until,
        slot,
        manual,
        attempt,
        started,
        paused,
        requested,
        next_slot,
        version,
    ) = json.loads(numbers)
    if version < 1:
        return _unreadable(id, "format")
    return ScheduleState(
        id=id,
        decided=decided,
        definition=decoded(definition),
        defined=defined,
        registered=registered,
        ended=ended,
        last_outcome=_OUTCOMES.get(outcome),
        last_success=last_success,
        runs=runs,
        failures=failures,
        token=token,
        owner=None if owner is None else decoded(owner),
        lease_until=lease_until,
        slot=slot,
        manual=bool(manual),
        attempt=attempt,
        started=started,
        paused=paused,
        requested=requested,
        next_slot=next_slot,
        format=version,
    )


def _unreadable(id: str, column: str) -> ScheduleState:
    """Show a row that cannot be read as one of a newer format, which nothing touches; no statement does so either."""
    return ScheduleState(id=id, decided=0, definition=f"(this row cannot be read: {column})", format=UNREADABLE)


def states_of(rows: Iterable[Row]) -> tuple[ScheduleState, ...]:
    """Return the states in rows."""
    return tuple(map(state_of, rows))


def picked(cell: bytes) -> list[list[Any]]:
    """Return the rows of `@p`."""
    listed: list[list[Any]] = json.loads(cell)
    return listed


def ids_of(cell: bytes) -> frozenset[str]:
    """Return the ids in `@p`."""
    return frozenset(text_of(row[0]) for row in picked(cell))


def grant_of(state: ScheduleState, given: list[Any], now: int, ttl: int) -> Grant:
    """Return the grant of a picked row: what the statement after it has written."""
    _, slot, manual, attempt, *_ = given
    return Grant(state.id, max(state.token + 1, now), slot, bool(manual), attempt, now + ttl, state)


def records_of(id: str, rows: Iterable[Row]) -> tuple[RunRecord, ...]:
    """Return the records of the history, without those whose outcome this version does not know."""
    return tuple(_record_of(id, row, _OUTCOMES[row[0]]) for row in rows if row[0] in _OUTCOMES)


def _record_of(id: str, row: Row, outcome: Outcome) -> RunRecord:
    _, reason, owner, error, numbers = row
    at, slot, until, count, manual, attempt, started, token, retries = json.loads(numbers)
    return RunRecord(
        id=id,
        at=at,
        slot=slot,
        outcome=outcome,
        until=until,
        count=count,
        reason=_REASONS.get(reason),
        manual=bool(manual),
        attempt=attempt,
        started=started,
        owner=None if owner is None else decoded(owner),
        token=token,
        error=None if error is None else decoded(error),
        retries=retries,
    )


def instance_of(row: Row) -> Instance:
    """Return the instance in a row of `_instance_statements.INSTANCES`."""
    owner, name, version, started, seen, draining = row
    return Instance(
        owner=decoded(owner),
        name=decoded(name),
        version=decoded(version),
        started=int(started),
        seen=int(seen),
        is_draining=draining != b"0",
    )
