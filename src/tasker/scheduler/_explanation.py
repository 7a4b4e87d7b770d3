"""Why a schedule is running, or is not: told from the facts in the store, by a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasker._core.instants import instant_of
from tasker.ports import FORMAT, Instance, RunRecord, ScheduleState
from tasker.scheduler import _due
from tasker.scheduler._plan import Plan

_NEXT_SLOTS = 3
# An instance says every few seconds that it lives.
_ALIVE = timedelta(minutes=1)
# A slot is taken within about a second of its instant.
_OVERDUE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is known of a schedule at one moment; `str()` of it is a text for people.

    Attributes:
        id: The id of the schedule.
        at: The moment, by the store's clock.
        definition: The schedule as a sentence.
        next_slots: The next slots: some by this process's own schedule, or the one that the store has noted.
        state: The row in the store; `None` if there is none.
        holder: The instance that has the lease, if it is known.
        lease_ends_in: How long the lease holds unless it is renewed; negative if it is over; `None` if there is none.
        returning_for: For how long a run in this process has been asked to end, and has not.
        records: The newest records, the newest first.
        why: Why it is running, or is not, in one sentence.
    """

    id: str
    at: datetime
    definition: str
    next_slots: tuple[datetime, ...]
    state: ScheduleState | None
    holder: Instance | None
    lease_ends_in: timedelta | None
    returning_for: timedelta | None
    records: tuple[RunRecord, ...]
    why: str

    def __str__(self) -> str:
        lines = [f"{self.id}: {self.definition or 'unknown'}", f"  {self.why}"]
        if self.next_slots:
            lines.append(f"  next: {', '.join(map(_said, self.next_slots))}")
        lines += [f"  {_line_of(record)}" for record in self.records]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Local:
    """What only this process knows.

    Attributes:
        plan: Its own schedule for the id, if it has one.
        asked_for: For how many seconds its own run, if there is one, has been asked to end.
    """

    plan: Plan | None
    asked_for: float | None


def explain(
    id: str,
    state: ScheduleState | None,
    *,
    records: tuple[RunRecord, ...],
    instances: Sequence[Instance],
    now: int,
    local: Local,
) -> Explanation:
    """Put together what is known at `now`, by the store's clock in microseconds."""
    at = instant_of(now)
    holder = next((each for each in instances if state is not None and each.owner == state.owner), None)
    lease_until = None if state is None else state.lease_until_at
    asked_for = None if local.asked_for is None else timedelta(seconds=local.asked_for)
    next_slots = _next_slots(state, local.plan, now)
    return Explanation(
        id=id,
        at=at,
        definition=_definition(state, local.plan),
        next_slots=next_slots,
        state=state,
        holder=holder,
        lease_ends_in=None if lease_until is None else lease_until - at,
        returning_for=asked_for,
        records=records,
        why=_why(state, at, holder=holder, instances=instances, asked_for=asked_for, next_slots=next_slots),
    )


def _definition(state: ScheduleState | None, plan: Plan | None) -> str:
    if plan is not None:
        return str(plan)
    return "" if state is None else state.definition


def _next_slots(state: ScheduleState | None, plan: Plan | None, now: int) -> tuple[datetime, ...]:
    if plan is None or state is None:
        return () if state is None or state.next_slot_at is None else (state.next_slot_at,)
    if plan.counts_from_last_run:
        slot = plan.next_after(state.decided if state.ended is None else state.ended)
        return () if slot is None else (instant_of(slot),)
    slots: list[datetime] = []
    after = max(now, _due.start_of(state, state.decided))
    while len(slots) < _NEXT_SLOTS and (slot := plan.next_after(after)) is not None:
        slots.append(instant_of(slot))
        after = slot
    return tuple(slots)


def _why(
    state: ScheduleState | None,
    at: datetime,
    *,
    holder: Instance | None,
    instances: Sequence[Instance],
    asked_for: timedelta | None,
    next_slots: tuple[datetime, ...],
) -> str:
    if state is None:
        return "not running: no instance has ever registered it in this store and namespace"
    if state.format > FORMAT:
        return f"not running: its row cannot be read, or a newer version of tasker wrote it (format {state.format})"
    if state.owner is not None and state.lease_until_at is not None:
        return _why_held(state, holder, state.lease_until_at, at, asked_for)
    return f"not running: {_why_free(state, at, next_slots)}{_who_could(instances, at)}"


def _why_held(
    state: ScheduleState, holder: Instance | None, lease_until: datetime, at: datetime, asked_for: timedelta | None
) -> str:
    who = f"{holder.name} ({state.owner})" if holder is not None else f"the unknown instance {state.owner}"
    what = f"attempt {state.attempt} for {_said(state.slot_at or at)}" + (", asked for by hand" if state.manual else "")
    since = "" if state.started_at is None else f" since {_ago(state.started_at, at)}"
    if lease_until <= at:
        return (
            f"not running: {who} had {what}, but its lease ended {_ago(lease_until, at)}; it is dead or cut off, and"
            f" the next instance that looks starts the slot again"
        )
    ended = "" if asked_for is None else f"; it was asked to end {_span(asked_for)} ago and has not returned"
    return f"running: {who} has {what}{since}, and a lease for {_span(lease_until - at)}{ended}"


def _why_free(state: ScheduleState, at: datetime, next_slots: tuple[datetime, ...]) -> str:
    if state.requested is not None:
        return f"a run was asked for by hand {_ago(instant_of(state.requested), at)}, and waits for an instance"
    if state.paused_at is not None and not state.manual:
        return f"paused {_ago(state.paused_at, at)}"
    if state.slot_at is not None:
        return f"its slot {_said(state.slot_at)} was given back, and waits for an instance to start it again"
    due = state.next_slot_at
    if due is not None and at - due > _OVERDUE:
        return f"overdue: its slot {_said(due)} passed {_ago(due, at)}, and no instance has taken it"
    if not next_slots:
        return "its schedule has no more slots"
    return f"its next slot comes in {_span(max(next_slots[0] - at, timedelta(0)))}"


def _who_could(instances: Sequence[Instance], at: datetime) -> str:
    alive = [each for each in instances if at - each.seen_at < _ALIVE]
    if not alive:
        return "; no instance has been seen for a minute"
    draining = [each.name for each in alive if each.is_draining]
    if len(draining) == len(alive):
        return f"; all instances are drained: {', '.join(sorted(draining))}"
    return ""


def _line_of(record: RunRecord) -> str:
    when = _said(instant_of(record.slot))
    if record.until is not None:
        count = "many" if record.count is None else record.count
        return f"{when} to {_said(instant_of(record.until))}: {record.outcome} ({record.reason}), {count} slots"
    parts = [f"{when}: {record.outcome}"]
    if record.started is not None:
        parts.append(f"after {_span(instant_of(record.at) - instant_of(record.started))}")
    if record.attempt > 1:
        parts.append(f"attempt {record.attempt}")
    if record.retries:
        parts.append(f"{record.retries} retries")
    if record.error:
        parts.append(record.error.strip().splitlines()[-1])
    return ", ".join(parts)


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _ago(instant: datetime, at: datetime) -> str:
    return f"{_span(at - instant)} ago"


def _span(span: timedelta) -> str:
    """Say a duration with its two largest units."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.3g} s"
    for size, unit, smaller_size, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} {seconds % size // smaller_size:.0f} {smaller}"
    raise AssertionError
