"""What to do about a schedule now: pure functions of the plan, the state of its row, and the store's clock.

Nothing here reads a clock or does I/O, so that "should it run now?" is a table in a test and not a matter of timing.
All instants are microseconds by the store's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasker.ports import FORMAT, Grant, Passed, Reason, ScheduleState
from tasker.scheduler._known import Known
from tasker.scheduler._plan import Plan

# With `misfire="skip"`, a slot may start this late without counting as missed, unless `late` says otherwise.
PUNCTUAL = 30_000_000
# How soon to look again at what is held, if more waits behind it: a normal end rings no bell.
_SOON = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Propose this slot.

    Attributes:
        slot: What to propose; the row's own slot or request goes before it.
        base: The end of the last run that it was computed from, if it was.
    """

    slot: int
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again then; `None`: when somebody rings."""

    until: int | None


@dataclass(frozen=True, slots=True)
class PassOver:
    """Decide these slots without running any of them; `following` is the slot after them, if there is one."""

    passed: Passed
    following: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The schedule has no more slots."""


Decision = Run | Wait | PassOver | Finished
Facts = ScheduleState | Known


def decide(plan: Plan, state: Facts, now: int) -> Decision:
    """Say what to do about a schedule whose row is `state`, at `now`."""
    if state.format > FORMAT:
        return Wait(None)
    if _is_held(state, now):
        return Wait(_when_to_look_again(plan, state, now))
    if state.requested is not None or state.manual:
        return _what_is_in_the_row(state)
    if state.paused is not None:
        return Wait(None)
    if state.slot is not None:
        return _what_is_in_the_row(state)
    return _decide_idle(plan, state, state.decided, now)


def look_again(plan: Plan, state: Facts, now: int) -> Decision:
    """Say what to do if `state` was read a while ago: what was held then may be free, and only a proposal can tell."""
    decision = decide(plan, state, now)
    if isinstance(decision, Wait) and _is_held(state, now):
        return _guess(plan, state, now)
    return decision


def _is_held(state: Facts, now: int) -> bool:
    return state.lease_until is not None and state.lease_until > now


def _when_to_look_again(plan: Plan, state: Facts, now: int) -> int | None:
    # Its holder may renew for long, but also be done at any moment and free the next slot.
    times = [state.lease_until, plan.next_after(now), now + _SOON if _is_waited_for(plan, state, now) else None]
    return min(time for time in times if time is not None)


def _is_waited_for(plan: Plan, state: Facts, now: int) -> bool:
    """Whether more is to run as soon as the holder is done, which runs that itself unless it leaves or is drained."""
    if state.requested is not None:
        return True
    policy = plan.policy
    if state.paused is not None or plan.counts_from_last_run:
        return False
    if policy.overlap == "skip" and policy.misfire != "run_all":
        return False
    following = plan.next_after(_decided_by_holder(state))
    return following is not None and following <= now


def _decided_by_holder(state: Facts) -> int:
    """Return up to where all is decided once the holder is done."""
    return state.decided if state.manual else max(state.decided, state.slot or 0)


def _what_is_in_the_row(state: Facts) -> Run:
    """Propose to take over the slot or the request in a row, and nothing else if another has run that meanwhile.

    A slot is decided then, and refused. What was asked for by hand decides nothing: proposed as a slot it would be
    given a second time, so the proposal is one that no row without a slot or a request accepts.
    """
    if state.slot is None or state.manual or state.requested is not None:
        return Run(state.decided)
    return Run(state.slot)


def _guess(plan: Plan, state: Facts, now: int) -> Run:
    """Propose what would be due if the holder were done; a wrong guess is refused, and the reply brings the facts."""
    if plan.counts_from_last_run:
        # No run has ended at -1: without a base that fits, nothing is given that is not due.
        return Run(now, -1 if state.ended is None else state.ended)
    if plan.policy.misfire == "run_all":
        # The holder may also have given its slot back as it was: no later one may be proposed before that.
        return _what_is_in_the_row(state)
    if state.requested is None and state.paused is None:
        decision = _decide_idle(plan, state, _decided_by_holder(state), now)
        if isinstance(decision, Run):
            return decision
    return _what_is_in_the_row(state)


def _decide_idle(plan: Plan, state: Facts, decided: int, now: int) -> Decision:
    """Decide for a free row without a slot or a request, in which all is decided up to `decided`."""
    if _is_for_now(plan, state):
        slot = decided + 1
        return Wait(slot) if slot > now else Run(slot)
    if plan.counts_from_last_run:
        return _decide_from_last_run(plan, state, now)
    start = start_of(state, decided)
    first = plan.next_after(start)
    if first is None:
        return Finished()
    if first > now:
        return Wait(first)
    return _decide_due(plan, start, first, now)


def _is_for_now(plan: Plan, state: Facts) -> bool:
    """Whether the first run does not wait for a slot: nothing has been decided since the row was made."""
    if state.runs or state.ended is not None:
        return False
    return plan.policy.first == "now" or (plan.policy.first == "auto" and plan.counts_from_last_run)


def _decide_from_last_run(plan: Plan, state: Facts, now: int) -> Decision:
    base = state.decided if state.ended is None else state.ended
    following = plan.next_after(base)
    if following is None:
        return Finished()
    # It misses nothing: a slot that came while it was paused is decided, and run as soon as it is resumed.
    slot = max(following, state.decided + 1)
    return Wait(slot) if slot > now else Run(slot, state.ended)


def _decide_due(plan: Plan, start: int, first: int, now: int) -> Decision:
    policy = plan.policy
    late = PUNCTUAL if policy.misfire == "skip" and policy.late is None else policy.late
    earliest = start if late is None else max(start, now - late - 1)
    if policy.misfire == "run_all":
        return _decide_in_order(plan, start, first, earliest, now)
    last, count = plan.last_until(start, now)
    if last is None or last > earliest:
        return Run(first if last is None else last)
    return PassOver(Passed(first, last, count, Reason.MISFIRED), plan.next_after(last))


def _decide_in_order(plan: Plan, start: int, first: int, earliest: int, now: int) -> Decision:
    slot = plan.next_after(earliest)
    if slot is None or slot > now:
        last, count = plan.last_until(start, now)
        last = first if last is None else last
        return PassOver(Passed(first, last, count, Reason.MISFIRED), plan.next_after(last))
    last, count = plan.last_until(earliest, now)
    if count is None and last is not None:
        # Too many to make up for: only the newest of them.
        slot = _nth_before(plan, earliest, last)
    return Run(slot)


def _nth_before(plan: Plan, earliest: int, last: int) -> int:
    """Return a slot from which on there are few enough up to `last`, without walking through all of them."""
    span = last - earliest
    while plan.last_until(last - span, last)[1] is None:
        span //= 2
    return plan.next_after(last - span) or last


def start_of(state: Facts, decided: int) -> int:
    """Return the instant after which slots count: what lies before a definition was first seen is not its misfire."""
    return max(decided, state.defined)


def is_given_up(grant: Grant, max_attempts: int, interruptions: int = 0) -> bool:
    """Tell whether a granted slot was started too often without an answer to be started again.

    A run that was interrupted has answered: deployments during a long run do not use its slot up. How often it was,
    the row does not say; who leaves that out hears whether it can be given up at all.
    """
    before = grant.state
    # Failures in a row may be those of earlier slots, and records of interruptions may be gone: the least counts.
    failures = before.failures + (before.owner is not None)
    return min(failures, grant.attempt - 1 - interruptions) >= max_attempts


def passed_before(plan: Plan, grant: Grant) -> Passed | None:
    """Return the slots that were missed before the one that was granted."""
    if grant.manual or plan.counts_from_last_run:
        return None
    start = start_of(grant.state, grant.state.decided)
    first = plan.next_after(start)
    if first is None or first >= grant.slot:
        return None
    last, count = plan.last_until(start, grant.slot - 1)
    return Passed(first, first if last is None else last, count, Reason.MISFIRED)


def passed_during(plan: Plan, grant: Grant, decided: int, now: int) -> Passed | None:
    """Return the slots that passed while the granted one ran, where the policy is to skip those.

    A pause that ended during the run has decided the slots up to `decided`.
    """
    if grant.manual or plan.counts_from_last_run:
        return None
    if plan.policy.overlap == "queue" or plan.policy.misfire == "run_all":
        return None
    start = max(grant.slot, start_of(grant.state, decided))
    last, count = plan.last_until(start, now)
    if last is None:
        return None
    first = plan.next_after(start)
    return Passed(last if first is None else first, last, count, Reason.OVERLAP)


def through_of(grant: Grant, passed: tuple[Passed, ...]) -> int:
    """Return up to where all is decided by a run that counts, and by what was passed over for it, in its order."""
    if grant.manual:
        return grant.state.decided
    return max(grant.slot, passed[-1].until) if passed else grant.slot


def next_slot_of(plan: Plan, through: int | None, grant: Grant, now: int) -> int | None:
    """Return the next slot, as advice for people."""
    if through is None:
        return grant.slot
    return plan.next_after(now if plan.counts_from_last_run else through)
