"""The simple ports: a locker factory and a repository that anyone can write, and those of the stores."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import tasker
from tasker import Context, LeaseLost, Run, Scheduler, StoreUnavailable, schedule
from tasker.ports import (
    Action,
    Answer,
    Definition,
    Ending,
    Held,
    LockerFactory,
    Outcome,
    Passed,
    Proposal,
    Reason,
    Repository,
    ScheduleState,
    Skip,
)
from tasker.scheduler._pair import PairStore
from tasker.store import memory, sqlite
from tasker.testing import VirtualClock
from tests._support.instances import Journal, after, journal, run_for, stopped_after
from tests._support.slots import at, said
from tests._support.third_party import FencedLocks, FencedStates, Locks, States, ThreadLocker
from tests._support.virtual_time import clock

__all__ = ["clock", "journal"]

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
TTL = 15_000_000


Pair = Callable[[], tuple[LockerFactory, Repository]]


@pytest.fixture(params=["third party", "third party, fenced", "third party and ours", "memory", "sqlite"])
def pair(request: pytest.FixtureRequest, clock: VirtualClock, tmp_path: Path) -> Iterator[Pair]:
    """Give each instance its own two ports, on shared locks and states."""
    locks, states, store, repository = Locks(), States(), memory.Store(), memory.Repository()
    fenced = (FencedLocks(), FencedStates())

    def make() -> tuple[LockerFactory, Repository]:
        match request.param:
            case "third party":
                return locks, states
            case "third party, fenced":
                return fenced
            case "third party and ours":
                return locks, repository
            case "memory":
                return memory.LockerFactory(store), repository
        factory, states_in_file = sqlite.LockerFactory(tmp_path / "locks.db"), sqlite.Repository(tmp_path / "states.db")
        closing.callback(factory.close)
        closing.callback(states_in_file.close)
        return factory, states_in_file

    with ExitStack() as closing:
        yield make


def scheduler_of(pair: Pair, **options: Any) -> Scheduler:
    factory, repository = pair()
    return Scheduler(locker_factory=factory, repository=repository, **options)


class NotedLocks(Locks):
    """Locks that note which thread took each, and which has given it back."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[tuple[int, int]] = []

    def locker_for(self, key: str) -> NotedLocker:
        return NotedLocker(self.locks.setdefault(key, threading.Lock()), self.threads)


class NotedLocker(ThreadLocker):
    def __init__(self, lock: threading.Lock, threads: list[tuple[int, int]]) -> None:
        super().__init__(lock)
        self._threads = threads

    @contextmanager
    def try_lock(self, ctx: Context) -> Iterator[Context | None]:
        taken_by = threading.get_ident()
        with super().try_lock(ctx) as locked:
            yield locked
        self._threads.append((taken_by, threading.get_ident()))


def test_a_lock_is_given_back_by_the_thread_that_took_it(clock: VirtualClock, journal: Journal) -> None:
    class Failing(States):
        failures = 1

        def update(self, state: ScheduleState) -> None:
            if state.id == "long" and self.failures:
                self.failures -= 1
                raise StoreUnavailable("once")  # when the lock of the other is taken already, and has to be given back
            super().update(state)

    locks = NotedLocks()
    scheduler = Scheduler(locker_factory=locks, repository=Failing())
    scheduler.add("long", EACH_MINUTE, journal.noting(seconds=30))
    scheduler.add("also", EACH_MINUTE, journal.noting())

    run_for(130, scheduler)

    assert len(journal.started) == 4
    assert len(locks.threads) >= 6
    assert all(taken_by == given_back_by for taken_by, given_back_by in locks.threads)


class TestPromises:
    def test_each_slot_is_run_once_over_all_instances(self, pair: Pair, journal: Journal) -> None:
        instances = [
            scheduler_of(pair).with_schedule("job", EACH_MINUTE, journal.noting(f"{number}", seconds=3))
            for number in range(3)
        ]

        run_for(190, *instances)

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]
        tokens = [each.token for each in journal.started]
        assert tokens == sorted(set(tokens))

    def test_one_runs_at_a_time(self, pair: Pair, journal: Journal) -> None:
        instances = [
            scheduler_of(pair).with_schedule("job", schedule.Interval(seconds=5), journal.noting(seconds=20))
            for _ in range(3)
        ]

        run_for(200, *instances)

        times = [each.at for each in journal.started]
        assert 6 <= len(times) <= 8
        assert all(later - earlier >= 24.9 for earlier, later in pairwise(times))

    def test_an_interrupted_run_is_started_elsewhere_within_a_second(self, pair: Pair, journal: Journal) -> None:
        first, second = (
            scheduler_of(pair).with_schedule("job", EACH_MINUTE, journal.noting(name, seconds=30))
            for name in ("first", "second")
        )

        run_for(119, stopped_after(70.4, first), tasker.sequence(lambda ctx: ctx.sleep(61), second))

        assert journal.lines() == ["first 01-01 00:01", "second 01-01 00:01 attempt 2"]
        assert 70.4 <= journal.started[1].at <= 71.5

    def test_a_failure_is_recorded_and_the_next_slot_runs(self, pair: Pair) -> None:
        ran: list[Run] = []

        def work() -> None:
            ran.append(Run.current())
            raise ValueError("bad")

        scheduler = scheduler_of(pair)
        run_for(130, scheduler.with_schedule("job", EACH_MINUTE, work))

        assert len(ran) == 2
        (state,) = scheduler.states()
        assert (state.failures, state.last_outcome, state.runs) == (2, Outcome.FAILED, 2)

    def test_slots_that_were_missed_are_made_up_for_by_one(self, pair: Pair, journal: Journal) -> None:
        def instance() -> tasker.Task:
            return scheduler_of(pair).with_schedule("job", EACH_MINUTE, journal.noting())

        run_for(330, tasker.sequence(stopped_after(70, instance()), lambda ctx: ctx.sleep(200), instance()))

        assert journal.slots() == ["01-01 00:01", "01-01 00:04", "01-01 00:05"]

    def test_they_are_passed_over_if_that_is_wanted(self, pair: Pair, journal: Journal) -> None:
        def instance() -> tasker.Task:
            return scheduler_of(pair).with_schedule("job", EACH_MINUTE, journal.noting(), misfire="skip")

        run_for(330, tasker.sequence(stopped_after(70, instance()), lambda ctx: ctx.sleep(205), instance()))

        assert journal.slots() == ["01-01 00:01", "01-01 00:05"]

    def test_a_changed_definition_runs_none_of_its_earlier_slots(
        self, clock: VirtualClock, pair: Pair, journal: Journal
    ) -> None:
        before, edited = (schedule.Daily(minute=minute, tz="UTC") for minute in (4, 3))
        run_for(250, scheduler_of(pair).with_schedule("job", before, journal.noting()))
        clock.advance(24 * 3600 + 210 - 250)

        scheduler = scheduler_of(pair)
        run_for(120, scheduler.with_schedule("job", edited, journal.noting()))

        assert journal.slots() == ["01-01 00:04"]
        (state,) = scheduler.states("job")
        assert state.definition == "every day at 00:03 in UTC"
        assert said(state.defined) == "01-02 00:03:30"


def test_lost_locks_reach_the_task_and_another_instance_starts_it(clock: VirtualClock, journal: Journal) -> None:
    store, repository = memory.Store(), memory.Repository()
    causes: list[BaseException | None] = []

    def work(ctx: Context) -> None:
        journal.note("one")
        ctx.wait(100)
        causes.append(ctx.cause)
        ctx.raise_if_done()

    def scheduler() -> Scheduler:
        return Scheduler(locker_factory=memory.LockerFactory(store), repository=repository)

    run_for(
        100,
        stopped_after(90, scheduler().with_schedule("job", EACH_MINUTE, work)),
        tasker.sequence(
            lambda ctx: ctx.sleep(61), scheduler().with_schedule("job", EACH_MINUTE, journal.noting("other"))
        ),
        after(62, store._locks.clear),
    )

    assert isinstance(causes[0], LeaseLost)
    assert journal.lines()[:2] == ["one 01-01 00:01", "other 01-01 00:01 attempt 2"]


class Unreliable(States):
    """A repository whose updates fail, before or after they are done."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""

    def update(self, state: ScheduleState) -> None:
        if self.fails == "before":
            raise StoreUnavailable("down")
        super().update(state)
        if self.fails == "after":
            raise StoreUnavailable("the answer was lost")


class TestFailures:
    @pytest.fixture
    def states(self, clock: VirtualClock) -> Unreliable:
        return Unreliable()

    def test_a_repository_that_is_away_costs_no_slot_and_no_lock(
        self, states: Unreliable, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        locks = Locks()
        caplog.set_level(logging.WARNING)

        run_for(
            190,
            Scheduler(locker_factory=locks, repository=states).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(110, lambda: setattr(states, "fails", "before")),
            after(130, lambda: setattr(states, "fails", "")),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]
        assert not locks.locks["job"].locked()
        assert len(caplog.messages) == 1

    @pytest.mark.parametrize("fails", ["before", "after"])
    def test_an_end_is_recorded_in_the_end(
        self, states: Unreliable, journal: Journal, caplog: pytest.LogCaptureFixture, fails: str
    ) -> None:
        scheduler = Scheduler(locker_factory=Locks(), repository=states)
        for id in ("a", "b", "c"):
            scheduler.add(id, EACH_MINUTE, journal.noting(seconds=5))

        run_for(
            110,
            scheduler,
            after(62, lambda: setattr(states, "fails", fails)),
            after(90, lambda: setattr(states, "fails", "")),
        )

        assert journal.slots() == ["01-01 00:01"] * 3
        assert [(state.runs, state.last_outcome) for state in states.states.values()] == [(1, Outcome.SUCCEEDED)] * 3
        assert not [message for message in caplog.messages if "does not count" in message]

    def test_a_claim_whose_answer_was_lost_is_given_back(self, states: Unreliable, journal: Journal) -> None:
        run_for(
            119,
            Scheduler(locker_factory=Locks(), repository=states).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(59, lambda: setattr(states, "fails", "after")),
            after(90, lambda: setattr(states, "fails", "")),
        )

        assert journal.slots() == ["01-01 00:01"]
        assert states.states["job"].runs >= 1

    def test_an_end_that_could_not_be_recorded_leaves_the_lock_to_the_next_run_here(
        self, states: Unreliable, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        scheduler = Scheduler(locker_factory=Locks(), repository=states)
        scheduler.add("other", schedule.Daily(hour=5, tz="UTC"), journal.noting())
        scheduler.add("job", EACH_MINUTE, journal.noting(seconds=30))

        def recover() -> None:
            states.fails = ""
            scheduler.add("job", EACH_MINUTE, journal.noting("again"))

        run_for(
            140,
            scheduler,
            after(65, lambda: setattr(states, "fails", "before")),
            after(70, lambda: scheduler.remove("job")),
            after(100, recover),
        )

        assert "the end of the run of 'job' for 2026-01-01 00:01:00+00:00 was not recorded" in caplog.messages
        assert journal.lines()[:2] == [" 01-01 00:01", "again 01-01 00:01 attempt 2"]

    def test_a_lock_that_cannot_be_freed_is_logged_and_the_run_counts(
        self, clock: VirtualClock, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Sticky:
            def locker_for(self, key: str) -> Sticky:
                return self

            def lock(self, ctx: Context) -> AbstractContextManager[Context]:
                raise NotImplementedError

            @contextmanager
            def try_lock(self, ctx: Context) -> Iterator[Context]:
                with ctx.with_cancel() as locked:
                    yield locked
                raise OSError("the lock service is away")

        states = States()
        run_for(
            70,
            Scheduler(locker_factory=Sticky(), repository=states).with_schedule("job", EACH_MINUTE, journal.noting()),
        )

        assert states.states["job"].last_outcome is Outcome.SUCCEEDED
        assert caplog.messages == ["the lock of 'job' could not be freed"]


class TestOperations:
    """What instances cannot easily bring about together."""

    @pytest.fixture
    def states(self, clock: VirtualClock) -> States:
        return States()

    @pytest.fixture
    def locks(self) -> Locks:
        return Locks()

    @pytest.fixture
    def store(self, locks: Locks, states: States) -> PairStore:
        store = PairStore(locks, states)
        store.register([Definition("job", "old")])
        return store

    def ending(self, token: int, slot: str) -> Ending:
        return Ending(id="job", token=token, outcome=Outcome.SUCCEEDED, through=at(slot))

    def test_a_definition_that_changes_during_a_run_does_not_undo_its_end(
        self, clock: VirtualClock, store: PairStore, locks: Locks, states: States
    ) -> None:
        clock.advance(60)
        (grant,) = store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).grants
        other = PairStore(locks, states)

        registered = other.register([Definition("job", "new")])

        assert registered.states[0].definition == "new"
        assert states.states["job"].definition == "old"
        assert store.finish("one", [self.ending(grant.token, "01-01 00:01")]).answers == {"job": Answer.RECORDED}
        clock.advance(60)
        (second,) = other.claim("two", TTL, 1, [Proposal("job", at("01-01 00:02"))]).grants
        assert said(second.state.decided) == "01-01 00:01"
        assert states.states["job"].definition == "new"
        assert said(states.states["job"].defined) == "01-01 00:01"

    def test_an_end_that_was_recorded_before_is_recognized(
        self, clock: VirtualClock, store: PairStore, states: States
    ) -> None:
        clock.advance(60)
        (grant,) = store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).grants
        states.update(replace(states.states["job"], owner=None, lease_until=None, slot=None))

        assert store.finish("one", [self.ending(grant.token, "01-01 00:01")]).answers == {"job": Answer.ALREADY}

    def test_an_end_under_another_token_does_not_count(self, clock: VirtualClock, store: PairStore) -> None:
        clock.advance(60)
        (grant,) = store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).grants

        assert store.finish("one", [self.ending(grant.token - 1, "01-01 00:01")]).answers == {"job": Answer.LOST}
        assert store.renew("one", TTL, [Held("job", grant.token)], 1).kept == {"job"}

    def test_a_state_that_is_gone_costs_the_result_but_not_the_lock(
        self, clock: VirtualClock, store: PairStore, states: States, locks: Locks
    ) -> None:
        clock.advance(60)
        (grant,) = store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).grants
        states.delete_by_id("job")

        assert store.finish("one", [self.ending(grant.token, "01-01 00:01")]).answers == {"job": Answer.LOST}
        assert not locks.locks["job"].locked()
        assert store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).grants == ()

    def test_no_more_is_claimed_than_there_is_room_for(self, clock: VirtualClock, store: PairStore) -> None:
        store.register([Definition("a", ""), Definition("b", "")])
        clock.advance(60)

        claimed = store.claim("one", TTL, 1, [Proposal(id, at("01-01 00:01")) for id in ("b", "a", "gone")])

        assert [grant.id for grant in claimed.grants] == ["a"]
        assert [state.id for state in claimed.refused] == ["b"]

    def test_a_lock_that_another_holds_is_asked_about_a_second_later(
        self, clock: VirtualClock, store: PairStore, locks: Locks
    ) -> None:
        clock.advance(60)
        with locks.locker_for("job").try_lock(Context.background()):
            (state,) = store.claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))]).refused
            skips = [Skip("job", at("01-01 00:01"), Passed(at("01-01 00:01"), at("01-01 00:01"), 1, Reason.MISFIRED))]
            assert store.skip(skips).ids == frozenset()

        assert (state.owner, said(state.lease_until)) == ("another", "01-01 00:01:01")
        assert store.skip(skips).ids == {"job"}

    def test_releasing_frees_what_it_names(self, clock: VirtualClock, store: PairStore, locks: Locks) -> None:
        store.register([Definition("a", "")])
        clock.advance(60)
        grants = store.claim("one", TTL, 2, [Proposal(id, at("01-01 00:01")) for id in ("job", "a")]).grants
        held = {grant.id: Held(grant.id, grant.token) for grant in grants}
        older = Held("a", held["a"].token - 1)

        assert store.release("one", [held["job"], older, Held("gone", 1)]).ids == {"job"}
        assert [locks.locks[id].locked() for id in ("job", "a")] == [False, True]
        store.close()
        assert [locks.locks[id].locked() for id in ("job", "a")] == [False, False]

    def test_it_can_be_paused_resumed_and_triggered_without_a_bell_and_has_no_history(
        self, clock: VirtualClock, store: PairStore
    ) -> None:
        clock.advance(60)
        assert store.control(Action.PAUSE, None).ids == {"job"}
        proposals = [Proposal("job", at("01-01 00:01"))]
        assert store.claim("one", TTL, 1, proposals).grants == ()
        assert store.control(Action.TRIGGER, ["job", "gone"]).ids == {"job"}
        (grant,) = store.claim("one", TTL, 1, proposals).grants
        assert (grant.manual, said(grant.slot)) == (True, "01-01 00:01")
        assert store.poll(7).states == ()
        assert store.history("job", 10) == ()

    def test_a_refused_update_is_no_claim(self, clock: VirtualClock, locks: Locks) -> None:
        repository = memory.Repository()
        store = PairStore(locks, repository)
        store.register([Definition("job", "")])
        clock.advance(60)
        repository.update(ScheduleState(id="job", decided=0, token=2**62))
        repository._states["job"] = replace(repository._states["job"], token=2**62)

        class Stale(memory.Repository):
            def find_by_id(self, id: str) -> ScheduleState | None:
                state = repository.find_by_id(id)
                return None if state is None else replace(state, token=1)

            def update(self, state: ScheduleState) -> None:
                repository.update(state)

        claimed = PairStore(locks, Stale()).claim("one", TTL, 1, [Proposal("job", at("01-01 00:01"))])

        assert claimed.grants == ()
        assert not locks.locks["job"].locked()
