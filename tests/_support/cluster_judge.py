"""Whether a cluster kept its promises: judged by what its jobs wrote down, and by what its store recorded.

The two must tell the same story. The schedules that are judged have a slot at each multiple of a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise

from tasker.ports import Outcome, RunRecord, ScheduleState
from tasker.store import open_store
from tests._support.cluster_journal import Work, works_in

_ANSWERED = (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT)
_GOES_BACK = (Outcome.LEASE_LOST, Outcome.INTERRUPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one schedule after all instances have ended.

    Attributes:
        state: Its row in the store.
        records: Its history, the oldest first.
        works: What its jobs wrote down, the first started first.
    """

    state: ScheduleState
    records: Sequence[RunRecord]
    works: Sequence[Work]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the schedules had in common.

    Attributes:
        step: The microseconds between two slots.
        lease: The length of a lease, in microseconds.
        killed: The owners whose processes were killed: only these may have lost a lease.
        runs_all: Whether no slot may be skipped.
    """

    step: int
    lease: int
    killed: AbstractSet[str] = frozenset()
    runs_all: bool = False


def problems(evidence: Evidence, rules: Rules) -> list[str]:
    """Return every way in which a schedule broke a promise, in words."""
    checks = (_twice, _overlaps, _lost_slots, _attempts, _tokens, _stories)
    return [f"{evidence.state.id}: {problem}" for check in checks for problem in check(evidence, rules)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of all schedules of a cluster.

    Attributes:
        problems: Every way in which one of them broke a promise.
        schedules: How many they are.
        lost_leases: How many runs lost their lease.
        figures: How many runs there were and how late they were claimed, for people.
    """

    problems: list[str]
    schedules: int
    lost_leases: int
    figures: str


def verdict(store: str, journal: str, *, lease: float, killed: AbstractSet[int]) -> Verdict:
    """Judge the schedules in a store, which have a slot each second; of those named `run_all`, no slot may be skipped.

    Args:
        store: The URL of the store.
        journal: Where the journal is.
        lease: The length of a lease, in seconds.
        killed: The processes that were killed.
    """
    with closing(open_store(store)) as opened:
        states = opened.states()
        histories = {state.id: opened.history(state.id, 1_000_000)[::-1] for state in states}
    works = works_in(journal)
    owners = {work.owner for work in works if work.pid in killed}
    found: list[str] = []
    for state in states:
        mine = [work for work in works if work.id == state.id]
        rules = Rules(step=1_000_000, lease=round(lease * 1_000_000), killed=owners, runs_all="run_all" in state.id)
        found += problems(Evidence(state=state, records=histories[state.id], works=mine), rules)
    records = [record for history in histories.values() for record in history]
    outcomes = Counter(str(record.outcome) for record in records)
    return Verdict(
        problems=found,
        schedules=len(states),
        lost_leases=outcomes[Outcome.LEASE_LOST],
        figures=f"{dict(outcomes)}; first attempts were claimed {_lateness(records)} after their slots",
    )


def _lateness(records: Sequence[RunRecord]) -> str:
    late = sorted((_started(record) - record.slot) / 1000 for record in records if record.attempt == 1)
    places = {"median": 0.5, "95 %": 0.95, "99 %": 0.99, "most": 1.0}
    return ", ".join(f"{late[min(int(len(late) * at), len(late) - 1)]:.0f} ms ({name})" for name, at in places.items())


def _twice(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield the slots that were answered twice, in the store or in the journal."""
    answered = Counter(record.slot for record in evidence.records if record.outcome in _ANSWERED)
    yield from (f"slot {slot} was recorded {times} times" for slot, times in answered.items() if times > 1)
    # Whoever is killed between its last statement and the recording of it has lost its run all the same.
    lost = {record.token for record in evidence.records if record.outcome is Outcome.LEASE_LOST}
    done = Counter(
        work.slot
        for work in evidence.works
        if work.ended is not None and not (work.token in lost and work.owner in rules.killed)
    )
    yield from (f"slot {slot} was done {times} times" for slot, times in done.items() if times > 1)


def _overlaps(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield the runs that began before the one before them had ended, or had lost its lease."""
    for before, after in pairwise(sorted(evidence.works, key=lambda work: work.started)):
        if before.ended is not None and before.ended > after.started:
            yield f"the work for slot {after.slot} began {before.ended - after.started} µs before another had ended"
    for was, then in pairwise(_runs(evidence)):
        if was.at > _started(then):
            yield f"the run for slot {then.slot} began {was.at - _started(then)} µs before another had ended"
        if was.outcome is Outcome.LEASE_LOST and _started(then) < _started(was) + rules.lease:
            yield f"the run for slot {then.slot} began before the lease of the one before could be over"


def _lost_slots(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield the slots from first to last that were neither run nor recorded as skipped, and those that were both."""
    answered = {record.slot for record in evidence.records if record.outcome in _ANSWERED}
    skipped: Counter[int] = Counter()
    for record in evidence.records:
        if record.outcome is Outcome.SKIPPED:
            slots = _slots(record.slot - 1, record.until or record.slot, rules)
            skipped.update(slots)
            if record.count != len(slots):
                yield f"{record.count} slots are recorded for the {len(slots)} from {record.slot} to {record.until}"
    first, last = max(evidence.state.defined, 0), evidence.state.decided
    expected = set(_slots(first, last, rules))
    if not expected:
        yield "no slot was decided"
    yield from (f"slot {slot} was lost" for slot in sorted(expected - answered - skipped.keys()))
    yield from (f"slot {slot} was run and skipped" for slot in sorted(answered & skipped.keys()))
    yield from (f"slot {slot} was skipped {times} times" for slot, times in skipped.items() if times > 1)
    yield from (f"{slot} is no slot of the schedule" for slot in sorted((answered | skipped.keys()) - expected))
    if rules.runs_all and skipped:
        yield f"{len(skipped)} slots were skipped"


def _slots(after: int, until: int, rules: Rules) -> range:
    return range((after // rules.step + 1) * rules.step, until + 1, rules.step)


def _attempts(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield the slots whose attempts do not follow one another, each given back until the last one is answered."""
    by_slot: dict[int, list[RunRecord]] = {}
    for record in _runs(evidence):
        by_slot.setdefault(record.slot, []).append(record)
    for slot, records in by_slot.items():
        attempts = [record.attempt for record in records]
        if attempts != list(range(1, len(records) + 1)):
            yield f"the attempts at slot {slot} are {attempts}"
        if any(record.outcome not in _GOES_BACK for record in records[:-1]):
            yield f"slot {slot} was started again after it was answered"
        if slot <= evidence.state.decided and records[-1].outcome not in _ANSWERED:
            yield f"slot {slot} was given up: {records[-1].outcome}"


def _tokens(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield the tokens that did not grow."""
    works = [work.token for work in sorted(evidence.works, key=lambda work: work.started)]
    records = [record.token for record in _runs(evidence)]
    for where, tokens in (("journal", works), ("history", records)):
        yield from (
            f"token {after} came after {before} in the {where}" for before, after in pairwise(tokens) if after <= before
        )


def _stories(evidence: Evidence, rules: Rules) -> Iterator[str]:
    """Yield where the journal and the history contradict each other, and what cannot be explained by a kill."""
    works = {work.token: work for work in evidence.works}
    records = {record.token: record for record in _runs(evidence)}
    for token, work in works.items():
        record = records.get(token)
        if record is None:
            yield f"the work for slot {work.slot}, attempt {work.attempt} is not recorded"
        elif (record.slot, record.attempt, record.owner) != (work.slot, work.attempt, work.owner):
            yield f"{record} is not what {work} says"
    for token, record in records.items():
        if record.outcome is Outcome.SUCCEEDED and (token not in works or works[token].ended is None):
            yield f"slot {record.slot} was recorded {record.outcome}, but its work was not done"
        if record.outcome is Outcome.LEASE_LOST and record.owner not in rules.killed:
            yield f"slot {record.slot}: a lease was lost by an instance that was not killed: {record.owner}"
        if record.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            yield f"slot {record.slot} {record.outcome}: {record.error}"


def _runs(evidence: Evidence) -> list[RunRecord]:
    return [record for record in evidence.records if record.outcome is not Outcome.SKIPPED]


def _started(record: RunRecord) -> int:
    return record.started or 0
