"""Schedules and states as tests write them: instants as texts, microseconds as the store has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tasker._core.durations import Duration
from tasker._core.instants import instant_of, micros_of
from tasker.ports import ScheduleState
from tasker.schedule import Schedule
from tasker.scheduler._plan import Plan, policy_of

SECOND = 1_000_000


def at(text: str) -> int:
    """Return an instant such as `01-02 04:00` (of 2026, in UTC; seconds may follow) in microseconds."""
    return micros_of(datetime.fromisoformat(f"2026-{text}+00:00"))


def said(micros: int | None) -> str | None:
    """Return an instant in microseconds as `at` takes it."""
    if micros is None:
        return None
    return instant_of(micros).strftime("%m-%d %H:%M" if micros % (60 * SECOND) == 0 else "%m-%d %H:%M:%S")


def plan(schedule: Schedule, *, late: Duration | None = None, **policy: Any) -> Plan:
    """Return the plan for a schedule, with the policies that are given by name."""
    names = {"misfire": "run_once", "overlap": "skip", "on_failure": "record", "first": "auto"} | policy
    return Plan("job", schedule, policy_of(late=late, **names))


def state(decided: str, **facts: Any) -> ScheduleState:
    """Return the state of a row that has run before; facts that are texts of instants are converted."""
    known: dict[str, Any] = {"ended": decided, "runs": 1, "defined": "01-01 00:00"} | facts
    return ScheduleState(id="job", decided=at(decided), **{name: _converted(fact) for name, fact in known.items()})


def _converted(fact: Any) -> Any:
    return at(fact) if isinstance(fact, str) and fact[2:3] == "-" else fact
