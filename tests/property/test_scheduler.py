"""Schedulers under random faults, in virtual time, judged by a small checker that knows nothing of how they work.

It looks at what tasks saw of their runs, and at the history of the store: no slot has two ends, none is without one, no
two tasks of one schedule were under a lease that they had to trust at the same time, and tokens grow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import tasker
from tasker import Context, Run, schedule
from tasker._core.instants import micros_of
from tasker.ports import Action, Outcome, Reason, RunRecord, ScheduleState
from tasker.testing import VirtualClock
from tests._support.instances import SteadyStore, Way, after, scheduler_on, stopped_after
from tests._support.tasks import Boom, sleeping

START = datetime(2026, 1, 1, tzinfo=UTC)
FAULTS_UNTIL = 90
HEALED_UNTIL = 150
SLOW = 1.7  # seconds, during which slots come, runs end, and instances are stopped
SECOND = 1_000_000
FINAL = {Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT}


@dataclass(frozen=True)
class Job:
    """A schedule, and what its task does."""

    step: int
    is_anchored: bool
    seconds: float
    fails_each: int
    policy: dict[str, Any]

    def rule(self) -> schedule.Interval:
        return schedule.Interval(seconds=self.step, anchor=START if self.is_anchored else None)


@dataclass(frozen=True)
class Fault:
    """Something that happens to the way of one instance, for some time."""

    instance: int
    begin: int
    seconds: int
    kind: str


@dataclass(frozen=True)
class Stop:
    """One instance is shut down gracefully, and started again later."""

    instance: int
    begin: int
    seconds: int


@dataclass(frozen=True)
class Wish:
    """Something that people ask for: of one schedule, or of one instance."""

    of: int
    begin: int
    kind: str

    def tell(self, store: SteadyStore) -> None:
        if self.kind in ("drain", "undrain"):
            owners = [instance.owner for instance in store.instances()]
            store.drain(owners[self.of : self.of + 1], draining=self.kind == "drain")
        else:
            store.control(Action(self.kind), [f"job {self.of}"])


@dataclass
class Seen:
    """What a task saw of one run: when it began, and when it ended or was told to."""

    run: Run
    began: float
    until: float = float("inf")


@dataclass
class World:
    """All that a test runs and finds out."""

    jobs: list[Job]
    instances: int
    seen: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))

    def task(self, job: Job, clock: VirtualClock) -> Callable[[Context], None]:
        def work(ctx: Context) -> None:
            run = Run.current()
            seen = Seen(run, clock.elapsed)
            self.seen[run.schedule_id].append(seen)
            try:
                ctx.sleep(job.seconds)
            finally:
                seen.until = clock.elapsed
            if job.fails_each and run.slot.second % job.fails_each == 0:
                raise Boom

        return work

    def instance(self, way: Way, stops: list[Stop], clock: VirtualClock) -> tasker.Task:
        """Return an instance as a task that is up except between the stops."""
        parts: list[tasker.TaskLike] = []
        now = 0
        for stop in sorted(stops, key=lambda stop: stop.begin):
            if stop.begin > now:
                parts.append(stopped_after(stop.begin - now, self.process(way, clock)))
                parts.append(sleeping(stop.seconds))
                now = stop.begin + stop.seconds
        return tasker.sequence(*parts, self.process(way, clock))

    def process(self, way: Way, clock: VirtualClock) -> tasker.Task:
        scheduler = scheduler_on(way)
        for number, job in enumerate(self.jobs):
            scheduler.add(f"job {number}", job.rule(), self.task(job, clock), **job.policy)
        return scheduler


jobs = st.builds(
    Job,
    step=st.integers(2, 12),
    is_anchored=st.booleans(),
    seconds=st.sampled_from([0, 0.5, 3, 8, 25, 50]),
    fails_each=st.sampled_from([0, 0, 2, 5]),
    policy=st.fixed_dictionaries(
        {
            "misfire": st.sampled_from(["run_once", "run_once", "skip", "run_all"]),
            "overlap": st.sampled_from(["skip", "queue"]),
            "late": st.sampled_from([None, None, 3, 20]),
            "timeout": st.sampled_from([None, None, 2]),
        }
    ),
)
faults = st.builds(
    Fault,
    instance=st.integers(0, 3),
    begin=st.integers(0, FAULTS_UNTIL),
    seconds=st.sampled_from([1, 5, 14, 20, 40]),
    kind=st.one_of(
        st.sampled_from(["is_cut", "is_silent"]),
        st.sampled_from(["claim", "finish", "renew", "register", "skip", "release", "poll"]),
        st.sampled_from(["slow claim", "slow finish", "slow poll"]),
    ),
)
stops = st.builds(
    Stop, instance=st.integers(0, 3), begin=st.integers(1, FAULTS_UNTIL), seconds=st.sampled_from([0, 1, 10])
)


wishes = st.builds(
    Wish,
    of=st.integers(0, 2),
    begin=st.integers(1, FAULTS_UNTIL),
    kind=st.sampled_from(["trigger", "trigger", "pause", "resume", "drain", "undrain"]),
)


def begin(way: Way, kind: str) -> None:
    if kind.startswith("is_"):
        setattr(way, kind, True)
    elif kind.startswith("slow "):
        way.delays[kind.removeprefix("slow ")] = SLOW
    else:
        way.loses.add(kind)


def heal(way: Way) -> None:
    way.is_cut = way.is_silent = False
    way.loses.clear()
    way.delays.clear()


def let_go_on(store: SteadyStore) -> None:
    store.control(Action.RESUME, None)
    store.drain([instance.owner for instance in store.instances()], draining=False)


@given(
    st.lists(jobs, min_size=1, max_size=3),
    st.integers(1, 4),
    st.lists(faults, max_size=12),
    st.lists(stops, max_size=5),
    st.lists(wishes, max_size=8),
)
@settings(max_examples=100)
def test_whatever_happens_each_slot_has_one_end_and_one_runs_at_a_time(
    given_jobs: list[Job],
    instances: int,
    given_faults: list[Fault],
    given_stops: list[Stop],
    given_wishes: list[Wish],
) -> None:
    world = World(given_jobs, instances)
    with VirtualClock() as clock:
        store = SteadyStore()
        ways = [Way(store) for _ in range(instances)]
        events = [
            after(when, act) for fault in given_faults for when, act in _course(fault, ways[fault.instance % instances])
        ]
        processes = [
            world.instance(way, [stop for stop in given_stops if stop.instance % instances == number], clock)
            for number, way in enumerate(ways)
        ]
        events += [after(wish.begin, partial(wish.tell, store)) for wish in given_wishes]
        healing = [after(FAULTS_UNTIL + 10, partial(heal, way)) for way in ways]
        healing.append(after(FAULTS_UNTIL + 10, partial(let_go_on, store)))
        tasker.run(stopped_after(HEALED_UNTIL, tasker.concurrence(*processes, *events, *healing)))

    for number, job in enumerate(given_jobs):
        id = f"job {number}"
        check_what_tasks_saw(world.seen[id])
        history = tuple(reversed(store.history(id, 100_000)))
        check_tokens(history)
        (state,) = store.states([id])
        if job.is_anchored:
            check_slots(job, history, state)
        else:
            check_distances(job, history)
        check_liveness(job, world.seen[id], state.decided)
        wanted = sum(wish.kind == "trigger" and wish.of == number for wish in given_wishes)
        assert len({record.slot for record in history if record.manual}) <= wanted
        assert state.requested is None, "what was asked for by hand was never started"
        assert state.owner is None, "a lease was left behind by a graceful stop"


def _course(fault: Fault, way: Way) -> Iterator[tuple[float, Callable[[], object]]]:
    yield fault.begin, partial(begin, way, fault.kind)
    yield min(fault.begin + fault.seconds, FAULTS_UNTIL), partial(heal, way)


def check_what_tasks_saw(seen: list[Seen]) -> None:
    for earlier, later in pairwise(seen):
        assert later.began >= earlier.until, f"two at once: {earlier}, {later}"
        assert later.run.fencing_token > earlier.run.fencing_token, f"tokens must grow: {earlier}, {later}"


def check_tokens(history: tuple[RunRecord, ...]) -> None:
    tokens = [record.token for record in history if record.outcome is not Outcome.SKIPPED]
    assert tokens == sorted(tokens)
    assert len(tokens) == len(set(tokens)), "a run was recorded twice"


def check_slots(job: Job, history: tuple[RunRecord, ...], state: ScheduleState) -> None:
    ends: dict[int, list[RunRecord]] = defaultdict(list)
    for record in history:
        for slot in slots_of(job, record):
            ends[slot].append(record)
    step = job.step * SECOND
    first = micros_of(START) + step
    expected = set(range(first, state.decided + 1, step))
    if not state.manual:
        expected.discard(state.slot or 0)  # given back at the end; a pause may have decided what comes after it
    assert {slot for slot, records in ends.items() if len(records) > 1} == set(), "slots with two ends"
    assert expected - set(ends) - forgotten(history, ends, step) == set(), "slots without an end"
    assert set(ends) - expected == set(), "ends of what is no slot, or not decided"


def forgotten(history: tuple[RunRecord, ...], ends: Mapping[int, object], step: int) -> set[int]:
    """Return the slots that were missed before one that was given back, and paused and resumed before it ran again.

    They are recorded with the end of the run for that slot, which knows no more where they began.
    """
    found: set[int] = set()
    for record in history:
        missed = record.slot - 1 - step
        while record.reason is Reason.PAUSED and missed > micros_of(START) and missed not in ends:
            found.add(missed)
            missed -= step
    return found


def slots_of(job: Job, record: RunRecord) -> list[int]:
    """Return the slots that a record decides."""
    if record.until is not None:
        step = job.step * SECOND
        first = record.slot + (micros_of(START) - record.slot) % step  # a pause does not begin with a slot
        slots = list(range(first, record.until + 1, step))
        assert record.count in {None, len(slots)}
        assert first == record.slot or record.reason is Reason.PAUSED
        return slots
    is_given_up = record.outcome is Outcome.LEASE_LOST and (record.error or "").startswith("given up")
    return [record.slot] if not record.manual and (record.outcome in FINAL or is_given_up) else []


def check_liveness(job: Job, seen: list[Seen], decided: int) -> None:
    """When all faults are over, something runs or is decided at least as often as there are slots."""
    last = max(decided / SECOND - START.timestamp(), max((each.until for each in seen), default=0))
    assert last >= HEALED_UNTIL - job.step - 3, "the schedule has not gone on"


def check_distances(job: Job, history: tuple[RunRecord, ...]) -> None:
    """A slot is an interval after the end of the run before, or one that is started again."""
    runs = [record for record in history if record.started is not None]
    for earlier, later in pairwise(runs):
        if later.started is not None and later.attempt == 1 and not later.manual:
            assert later.started - earlier.at >= job.step * SECOND, f"too early: {earlier}, {later}"
