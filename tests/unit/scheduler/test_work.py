"""The promises of a scheduler, over several instances and on stores that fail, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

import tasker
from tasker import Context, LeaseLost, Run, StoreUnavailable, TaskerError, events, schedule
from tasker._core import threads
from tasker._core.waiting import Gate
from tasker.ports import (
    FORMAT,
    UNREADABLE,
    Action,
    Claimed,
    Definition,
    Done,
    Ending,
    Grant,
    Held,
    Outcome,
    Proposal,
    ScheduleState,
)
from tasker.store import memory
from tasker.testing import VirtualClock
from tests._support.instances import Journal, SteadyStore, Way, after, records, run_for, scheduler_on, stopped_after
from tests._support.slots import SECOND, at, plan, said
from tests._support.tasks import Boom, fails
from tests._support.zones import ChangingZone

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
EACH_SECOND = schedule.Interval(seconds=1, anchor=START)
DAILY = schedule.Daily(hour=4, tz="UTC")


class TestOncePerSlot:
    def test_each_slot_is_run_by_one_of_many_instances(self, store: SteadyStore, journal: Journal) -> None:
        instances = [
            scheduler_on(Way(store)).with_schedule("job", EACH_SECOND, journal.noting(f"{number}", seconds=0.3))
            for number in range(5)
        ]

        run_for(60.5, *instances)

        assert len(journal.started) == 60
        assert sorted(Counter(journal.slots()).values()) == [1] * 60
        assert records(store) == [f"succeeded {slot}" for slot in journal.slots()]
        tokens = [each.token for each in journal.started]
        assert tokens == sorted(set(tokens))

    def test_the_load_is_spread(self, store: SteadyStore, journal: Journal) -> None:
        schedulers = [scheduler_on(Way(store), max_running=4) for _ in range(3)]
        for number, scheduler in enumerate(schedulers):
            for job in range(12):
                scheduler.add(f"job {job}", EACH_MINUTE, journal.noting(f"{number}", seconds=10))

        run_for(65, *schedulers)

        assert Counter(each.instance for each in journal.started) == {"0": 4, "1": 4, "2": 4}

    def test_an_interval_counts_from_the_last_run_of_whichever_instance(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        instances = [
            scheduler_on(Way(store)).with_schedule("job", schedule.Interval(minutes=2), journal.noting(seconds=12))
            for _ in range(3)
        ]

        run_for(720, *instances)

        times = [round(each.at) for each in journal.started]
        assert times == [0, 132, 264, 396, 528, 660]

    def test_jitter_is_the_same_on_every_instance_and_after_a_restart(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        jittered = EACH_MINUTE.jitter(300)  # longer than the way to the next slot
        for seconds in (185, 60):
            run_for(
                seconds,
                *[scheduler_on(Way(store)).with_schedule("job", jittered, journal.noting()) for _ in range(3)],
            )

        own = plan(jittered)
        slots = [own.next_after(at(f"01-01 00:{minute:02}") - 1) or 0 for minute in range(4)]
        assert journal.slots() == [said(slot) for slot in slots]
        due = [(slot - at("01-01 00:00")) / SECOND for slot in slots]
        assert [each.at for each in journal.started] == pytest.approx(due, abs=0.002)

    def test_slots_are_never_early(self, store: SteadyStore, journal: Journal) -> None:
        for _ in range(2):
            run_for(30.2, scheduler_on(Way(store)).with_schedule("job", EACH_SECOND, journal.noting()))

        for each in journal.started:
            assert each.slot is not None
            assert each.token >= at(each.slot)

    def test_two_definitions_of_one_id_run_the_slots_of_both_once(self, store: SteadyStore, journal: Journal) -> None:
        thirds = schedule.Interval(seconds=20, anchor=START)
        halves = schedule.Interval(seconds=30, anchor=START)

        run_for(
            65,
            scheduler_on(Way(store)).with_schedule("job", thirds, journal.noting()),
            scheduler_on(Way(store)).with_schedule("job", halves, journal.noting()),
        )

        assert journal.slots() == ["01-01 00:00:20", "01-01 00:00:30", "01-01 00:00:40", "01-01 00:01"]

    def test_an_instance_runs_only_what_it_knows(self, store: SteadyStore, journal: Journal) -> None:
        store.register([Definition("unknown", "somebody's")])
        store.control(Action.TRIGGER, ["unknown"])

        run_for(65, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.lines() == [" 01-01 00:01"]


def test_no_slot_is_overdue_that_came_while_the_schedule_was_registered(
    clock: VirtualClock, way: Way, store: SteadyStore, journal: Journal
) -> None:
    clock.advance(59.8)
    way.delays["register"] = 0.5
    run_for(5, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))

    (state,) = store.states()
    assert (said(state.decided), said(state.next_slot)) == ("01-01 00:01:00", "01-01 00:02")
    assert journal.started == []


class TestMisfires:
    """Nothing runs from the third minute on, until some minutes later."""

    def downtime(self, store: SteadyStore, journal: Journal, *, until: float = 610, **policy: Any) -> None:
        def instance() -> tasker.Task:
            return scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=1), **policy)

        run_for(
            until + 70,
            tasker.sequence(stopped_after(125, instance()), lambda ctx: ctx.sleep(until - 125), instance()),
        )

    def test_one_run_makes_up_for_all_of_them(self, store: SteadyStore, journal: Journal) -> None:
        self.downtime(store, journal)

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:10", "01-01 00:11"]
        assert records(store) == [
            "succeeded 01-01 00:01",
            "succeeded 01-01 00:02",
            "succeeded 01-01 00:10",
            "skipped(misfired) 01-01 00:03 until 01-01 00:09, 7",
            "succeeded 01-01 00:11",
        ]

    def test_none_of_them_is_run(self, store: SteadyStore, journal: Journal) -> None:
        self.downtime(store, journal, until=645, misfire="skip")

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:11"]
        assert "skipped(misfired) 01-01 00:03 until 01-01 00:10, 8" in records(store)

    def test_all_of_them_are_run_in_order(self, store: SteadyStore, journal: Journal) -> None:
        self.downtime(store, journal, misfire="run_all")

        assert journal.slots() == [f"01-01 00:{minute:02}" for minute in range(1, 12)]
        assert records(store) == [f"succeeded {slot}" for slot in journal.slots()]

    def test_all_of_them_are_run_although_another_instance_gives_one_back(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        # The hasty one is first, never hears so, and gives the slot back just before the next one is due.
        slow, hasty = Way(store), Way(store)
        slow.delays["claim"] = 0.05
        hasty.loses.add("claim")
        hasty.delays["release"] = 0.85
        rule = schedule.Interval(seconds=1, anchor=START + timedelta(seconds=0.5))
        tasks = [
            scheduler_on(way).with_schedule("job", rule, journal.noting(), misfire="run_all", overlap="queue")
            for way in (slow, hasty)
        ]

        run_for(3, *tasks, after(1, lambda: setattr(hasty, "is_cut", True)))

        assert journal.slots() == ["01-01 00:00:00", "01-01 00:00:01", "01-01 00:00:02"]  # and a half

    def test_all_that_are_not_too_late_are_run(self, store: SteadyStore, journal: Journal) -> None:
        self.downtime(store, journal, misfire="run_all", late=150)

        assert journal.slots() == ["01-01 00:01", "01-01 00:02"] + [
            f"01-01 00:{minute:02}" for minute in (8, 9, 10, 11)
        ]
        assert "skipped(misfired) 01-01 00:03 until 01-01 00:07, 5" in records(store)

    def test_what_is_too_late_is_not_run(self, store: SteadyStore, journal: Journal) -> None:
        self.downtime(store, journal, late=5)

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:11"]
        assert "skipped(misfired) 01-01 00:03 until 01-01 00:10, 8" in records(store)

    def test_editing_the_time_of_day_to_one_that_has_passed_runs_nothing(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        # 00:04 became 00:03, at 00:03:30 of the next day.
        before, edited = (schedule.Daily(minute=minute, tz="UTC") for minute in (4, 3))
        run_for(250, scheduler_on(Way(store)).with_schedule("job", before, journal.noting("00:04")))
        clock.advance(24 * 3600 + 210 - 250)

        run_for(120, scheduler_on(Way(store)).with_schedule("job", edited, journal.noting("00:03")))
        clock.advance(24 * 3600 - 200)
        run_for(120, scheduler_on(Way(store)).with_schedule("job", edited, journal.noting("00:03")))

        assert journal.lines() == ["00:04 01-01 00:04", "00:03 01-03 00:03"]
        assert records(store) == ["succeeded 01-01 00:04", "succeeded 01-03 00:03"]

    def test_slots_that_another_instance_has_run_meanwhile_are_not_passed_over_again(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        # The first one has not heard of what the other ran at 00:03, and both miss 00:04 and 00:05.
        ways = [Way(store), Way(store)]
        instances = [scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(), late=5) for way in ways]

        def cut(way: Way, *, is_cut: bool) -> Callable[[], None]:
            return lambda: setattr(way, "is_cut", is_cut)

        run_for(
            400,
            *instances,
            after(170, cut(ways[0], is_cut=True)),
            after(200, cut(ways[1], is_cut=True)),
            after(310, cut(ways[0], is_cut=False)),
            after(320, cut(ways[1], is_cut=False)),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03", "01-01 00:06"]
        assert records(store) == [
            "succeeded 01-01 00:01",
            "succeeded 01-01 00:02",
            "succeeded 01-01 00:03",
            "skipped(misfired) 01-01 00:04 until 01-01 00:05, 2",
            "succeeded 01-01 00:06",
        ]


class TestOverlap:
    def test_slots_during_a_run_are_skipped(self, store: SteadyStore, journal: Journal) -> None:
        run_for(300, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=150)))

        assert journal.slots() == ["01-01 00:01", "01-01 00:04"]
        assert records(store)[:2] == [
            "succeeded 01-01 00:01",
            "skipped(overlap) 01-01 00:02 until 01-01 00:03, 2",
        ]

    def test_one_of_them_waits_if_that_is_wanted(self, store: SteadyStore, journal: Journal) -> None:
        task = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=150), overlap="queue")
        run_for(300, task)

        assert journal.slots() == ["01-01 00:01", "01-01 00:03"]
        assert [round(each.at) for each in journal.started] == [60, 210]

    def test_a_run_of_one_instance_holds_back_all_others(self, store: SteadyStore, journal: Journal) -> None:
        running = 0
        most = 0

        def work(ctx: Context) -> None:
            nonlocal running, most
            journal.note()
            running += 1
            most = max(most, running)
            ctx.sleep(2.5)
            running -= 1

        run_for(60, *[scheduler_on(Way(store)).with_schedule("job", EACH_SECOND, work) for _ in range(4)])

        assert most == 1
        assert len(journal.started) == 20


class TestInterruption:
    def test_the_slot_goes_back_and_another_instance_starts_it_within_a_second(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        first, second = (
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(name, seconds=30))
            for name in ("first", "second")
        )

        run_for(
            120,
            stopped_after(70.4, first),
            tasker.sequence(lambda ctx: ctx.sleep(61), second),
        )

        assert journal.lines()[:2] == ["first 01-01 00:01", "second 01-01 00:01 attempt 2"]
        assert 70.4 <= journal.started[1].at <= 71.5
        assert records(store)[:2] == ["interrupted 01-01 00:01", "succeeded 01-01 00:01 attempt 2"]

    def test_interruptions_do_not_use_a_slot_up(self, store: SteadyStore, journal: Journal) -> None:
        def deployment() -> tasker.Task:
            scheduler = scheduler_on(Way(store))
            return stopped_after(70, scheduler.with_schedule("job", EACH_MINUTE, journal.noting(seconds=100)))

        last = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=100))
        run_for(500, tasker.sequence(*[deployment() for _ in range(5)], last))

        assert journal.lines()[:6] == [" 01-01 00:01"] + [f" 01-01 00:01 attempt {number}" for number in range(2, 7)]
        assert records(store)[5].startswith("succeeded 01-01 00:01 attempt 6")

    def test_the_lease_is_renewed_until_the_task_has_really_left(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        def lingering(ctx: Context) -> None:
            journal.note("first")
            ctx.wait()
            with Context.background().with_timeout(40) as rest:
                rest.wait()
            ctx.raise_if_done()

        first = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, lingering)
        second = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting("second"))

        run_for(
            130,
            stopped_after(65, first),
            tasker.sequence(lambda ctx: ctx.sleep(61), second),
        )

        assert journal.lines()[:2] == ["first 01-01 00:01", "second 01-01 00:01 attempt 2"]
        assert 105 <= journal.started[1].at <= 106.5


class TestDeadInstances:
    """An instance that is cut off for good is dead to all others."""

    def test_another_one_takes_over_when_the_lease_is_over(self, store: SteadyStore, journal: Journal) -> None:
        dead = Way(store)
        instance = scheduler_on(dead).with_schedule("job", EACH_MINUTE, journal.noting("dead", seconds=100))
        other = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting("other"))

        run_for(
            100,
            instance,
            after(61, lambda: setattr(dead, "is_cut", True)),
            tasker.sequence(lambda ctx: ctx.sleep(60.5), other),
        )

        assert journal.lines() == ["dead 01-01 00:01", "other 01-01 00:01 attempt 2"]
        assert 75 <= journal.started[1].at <= 75.5
        assert records(store) == ["lease_lost 01-01 00:01", "succeeded 01-01 00:01 attempt 2"]

    def test_its_lease_was_renewed_shortly_before(self, store: SteadyStore, journal: Journal) -> None:
        dead = Way(store)
        instance = scheduler_on(dead).with_schedule("job", EACH_MINUTE, journal.noting("dead", seconds=200))
        other = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting("other"))

        run_for(
            130,
            instance,
            after(96, lambda: setattr(dead, "is_cut", True)),
            tasker.sequence(lambda ctx: ctx.sleep(60.5), other),
        )

        assert journal.lines() == ["dead 01-01 00:01", "other 01-01 00:01 attempt 2", "other 01-01 00:02"]
        assert 110 <= journal.started[1].at <= 110.5

    def test_a_slot_that_kills_everyone_is_given_up(
        self, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        def mortal(number: int) -> tasker.Task:
            way = Way(store)

            def work(ctx: Context) -> None:
                journal.note(f"{number}")
                way.is_cut = True
                ctx.sleep(1000)

            instance = scheduler_on(way).with_schedule("job", schedule.Daily(minute=1, tz="UTC"), work)
            return tasker.sequence(lambda ctx: ctx.sleep(number), instance)

        run_for(200, *[mortal(number) for number in range(5)])

        assert [each.attempt for each in journal.started] == [1, 2, 3]
        assert records(store) == [
            "lease_lost 01-01 00:01",
            "lease_lost 01-01 00:01 attempt 2",
            "lease_lost 01-01 00:01 attempt 3",
            "lease_lost 01-01 00:01 attempt 4",
        ]
        assert store.history("job", 1)[0].error == (
            "given up: it was started 3 times, and none of the runs came to an end"
        )
        assert store.states(["job"])[0].decided == at("01-01 00:01")
        assert "'job' is given up for 2026-01-01 00:01:00+00:00 after 3 starts" in caplog.messages

    def test_failures_of_earlier_slots_and_interruptions_are_no_starts_without_an_answer(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        def claim() -> Grant:
            (grant,) = store.claim("A", 15 * SECOND, 1, [Proposal("job", at("01-01 00:01"))]).grants
            return grant

        def finish(grant: Grant, outcome: Outcome, through: int | None) -> None:
            store.finish("A", [Ending(id="job", token=grant.token, outcome=outcome, through=through)])

        store.register([Definition("job", str(EACH_MINUTE))])
        clock.advance(60)
        for number in range(3):
            store.control(Action.TRIGGER, ["job"])
            finish(claim(), Outcome.FAILED, at("01-01 00:00") + number)
        for _ in range(3):
            finish(claim(), Outcome.INTERRUPTED, None)
        claim()  # and this one dies

        run_for(50, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.lines() == [" 01-01 00:01 attempt 5"]


class TestLostLeases:
    @pytest.mark.parametrize("way_of_loss", ["is_cut", "is_silent"])
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_the_loss_reaches_the_task_before_another_can_start(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal, way_of_loss: str, kind: str
    ) -> None:
        heard: list[tuple[float, BaseException | None]] = []
        way = Way(store)

        def sync(ctx: Context) -> None:
            journal.note("one")
            ctx.wait(100)
            heard.append((clock.elapsed, ctx.cause))
            ctx.raise_if_done()

        async def asynchronous(ctx: Context) -> None:
            journal.note("one")
            try:
                await asyncio.sleep(100)
            finally:
                heard.append((clock.elapsed, ctx.cause))

        run_for(
            90,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, sync if kind == "sync" else asynchronous),
            after(66, lambda: setattr(way, way_of_loss, True)),
            tasker.sequence(
                lambda ctx: ctx.sleep(61),
                scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting("other")),
            ),
        )

        ((when, cause),) = heard
        assert isinstance(cause, LeaseLost)
        assert 78.9 <= when <= 79.2  # the last renewal was at 65
        assert journal.lines() == ["one 01-01 00:01", "other 01-01 00:01 attempt 2"]
        assert 80 <= journal.started[1].at <= 80.5

    def test_a_row_that_was_given_to_another_ends_the_run_at_the_next_renewal(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        causes: list[BaseException | None] = []

        def work(ctx: Context) -> None:
            journal.note()
            ctx.wait(20)
            causes.append(ctx.cause)
            ctx.raise_if_done()

        def take_away() -> None:
            store._rows["job"].token += 1

        run_for(
            66,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, work),
            after(61, take_away),
        )

        assert [str(cause) for cause in causes] == ["'job': the store has given the lease to another, or has lost it"]
        assert "the lease_lost run of 'job' does not count: its lease was lost" in caplog.messages
        assert any(
            message.startswith("a run has lost its lease while it goes on: 'job'") for message in caplog.messages
        )

    def test_a_task_that_does_not_listen_is_refused_by_its_token(
        self, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        way = Way(store)

        def stubborn(ctx: Context) -> None:
            journal.note("one")
            with Context.background().with_timeout(40) as deaf:
                deaf.wait()

        def cut(is_cut: bool) -> Callable[[], None]:
            return lambda: setattr(way, "is_cut", is_cut)

        run_for(
            118,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, stubborn),
            after(61, cut(True)),
            after(90, cut(False)),
            tasker.sequence(
                lambda ctx: ctx.sleep(61),
                scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting("other")),
            ),
        )

        assert journal.lines() == ["one 01-01 00:01", "other 01-01 00:01 attempt 2"]
        assert records(store) == ["lease_lost 01-01 00:01", "succeeded 01-01 00:01 attempt 2"]
        assert "the succeeded run of 'job' does not count: its lease was lost" in caplog.messages

    def test_a_late_result_counts_while_nobody_else_has_the_slot(self, store: SteadyStore, journal: Journal) -> None:
        way = Way(store)

        def stubborn(ctx: Context) -> None:
            journal.note("one")
            with Context.background().with_timeout(40) as deaf:
                deaf.wait()

        run_for(
            118,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, stubborn),
            after(61, lambda: setattr(way, "is_cut", True)),
            after(90, lambda: setattr(way, "is_cut", False)),
        )

        assert records(store) == ["succeeded 01-01 00:01"]

    def test_a_run_that_left_because_of_it_is_started_again_when_the_store_is_back(
        self, store: SteadyStore, journal: Journal
    ) -> None:
        way = Way(store)
        run_for(
            150,
            scheduler_on(way).with_schedule("job", DAILY, journal.noting(seconds=20), first="now"),
            after(1, lambda: setattr(way, "is_cut", True)),
            after(60, lambda: setattr(way, "is_cut", False)),
        )

        assert [each.attempt for each in journal.started] == [1, 2]
        assert 60 <= journal.started[1].at <= 66
        assert [line.split()[0] for line in records(store)] == ["lease_lost", "succeeded"]

    def test_a_loop_that_is_blocked_starves_no_renewal(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        async def blocking(ctx: Context) -> None:
            journal.note("one")
            Gate().wait(100)  # the loop stands still

        run_for(
            170,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, blocking),
            stopped_after(100, tasker.to_task(lambda: None)),
        )

        assert records(store) == ["succeeded 01-01 00:01", "skipped(overlap) 01-01 00:02 until 01-01 00:02, 1"]


class BelatedStore(SteadyStore):
    """Gives no answer to the first claim, and gets round to it only when somebody has looked what it has done."""

    def __init__(self) -> None:
        super().__init__()
        self._late: list[Callable[[], Claimed]] = []
        self._is_first = True

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        if not self._is_first:
            return super().claim(owner, ttl, capacity, proposals)
        self._is_first = False
        self._late.append(lambda: super(BelatedStore, self).claim(owner, ttl, capacity, proposals))
        raise StoreUnavailable("no answer")

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        states = super().states(ids)
        while self._late:
            self._late.pop()()
        return states


class LateReleaseStore(SteadyStore):
    """Gives no answer to the first claim, nor to its release, which it carries out once more behind the next claim."""

    def __init__(self) -> None:
        super().__init__()
        self._won = 0
        self._late: Callable[[], Done] | None = None

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        claimed = super().claim(owner, ttl, capacity, proposals)
        self._won += len(claimed.grants)
        if self._won == 1:
            raise StoreUnavailable("no answer")
        if claimed.grants and self._late is not None:
            self._late()
        return claimed

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        if self._late is None:
            self._late = partial(super().release, owner, abandoned)
            raise StoreUnavailable("no answer")
        return super().release(owner, abandoned)


class QuietStore(SteadyStore):
    """Gives nothing until some seconds after its beginning, or says that it does not."""

    def __init__(self, *, until: float, says: float) -> None:
        super().__init__()
        began = self._now()
        self._until, self._says = began + round(until * SECOND), began + round(says * SECOND)

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        if self._now() >= self._until:
            return super().claim(owner, ttl, capacity, proposals)
        return replace(super().claim(owner, ttl, 0, proposals), not_before=self._says)


class TestQuietStores:
    @pytest.mark.parametrize(("says", "claims"), [(12, [1, 12]), (3600, [1, 16])])
    def test_one_that_says_until_when_it_gives_nothing_is_asked_then_or_after_a_lease(
        self, clock: VirtualClock, journal: Journal, says: float, claims: list[float]
    ) -> None:
        way = Way(QuietStore(until=12, says=says))
        begun = clock.boottime()

        run_for(20, scheduler_on(way).with_schedule("job", EACH_SECOND, journal.noting()))

        assert [round(when - begun, 1) for when in way.called("claim")][:2] == claims
        assert round(journal.started[0].at - begun, 1) == claims[1]


class TestStoresThatFail:
    def test_one_that_is_away_at_the_start_lets_nothing_run_until_it_is_there(
        self, way: Way, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        way.is_cut = True

        run_for(
            190,
            scheduler_on(way, name="me").with_schedule("job", EACH_MINUTE, journal.noting()),
            after(100, lambda: setattr(way, "is_cut", False)),
        )

        assert journal.slots() == ["01-01 00:02", "01-01 00:03"]
        assert caplog.messages == [
            "the store of me is away, nothing is started until it is back: connection refused",
            "the store of me is back",
        ]
        assert 20 < len(way.called("register")) < 50

    def test_one_that_goes_and_comes_back_costs_two_lines_and_no_slot(
        self, way: Way, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        run_for(
            400,
            scheduler_on(way, name="me").with_schedule("job", EACH_MINUTE, journal.noting(), misfire="run_all"),
            after(100, lambda: setattr(way, "is_silent", True)),
            after(290, lambda: setattr(way, "is_silent", False)),
        )

        assert journal.slots() == [f"01-01 00:{minute:02}" for minute in range(1, 7)]
        assert caplog.messages == [
            "the store of me is away, nothing is started until it is back: no answer",
            "the store of me is back",
        ]

    def test_a_claim_whose_answer_was_lost_is_given_back_and_made_again(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        way.loses = {"claim"}

        run_for(
            70,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(60.05, way.loses.clear),
        )

        assert journal.lines() == [" 01-01 00:01"]
        assert records(store) == ["succeeded 01-01 00:01"]
        assert len(way.called("release")) >= 1

    @pytest.mark.usefixtures("clock")
    def test_a_claim_that_takes_effect_after_it_was_given_back_is_given_back_again(self, journal: Journal) -> None:
        store = BelatedStore()

        run_for(70, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.lines() == [" 01-01 00:01"]
        assert records(store) == ["succeeded 01-01 00:01"]

    @pytest.mark.usefixtures("clock")
    def test_a_release_that_comes_late_takes_nothing_from_a_later_claim(self, journal: Journal) -> None:
        store = LateReleaseStore()
        tasks = [scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=5)) for _ in "ab"]

        run_for(70, *tasks)

        assert journal.lines() == [" 01-01 00:01"]
        assert records(store) == ["succeeded 01-01 00:01"]

    def test_giving_it_back_leaves_what_runs_alone(self, way: Way, store: SteadyStore, journal: Journal) -> None:
        scheduler = scheduler_on(way)
        scheduler.add("long", EACH_MINUTE, journal.noting("long", seconds=30))
        scheduler.add("job", schedule.Daily(minute=1, second=10, tz="UTC"), journal.noting("job"))

        run_for(
            100,
            scheduler,
            after(65, lambda: way.loses.add("claim")),
            after(75, way.loses.clear),
        )

        assert journal.lines() == ["long 01-01 00:01", "job 01-01 00:01:10"]
        assert records(store, "long") == ["succeeded 01-01 00:01"]

    def test_an_ending_whose_answer_was_lost_is_recorded_once(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        run_for(
            130,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=2)),
            after(61, lambda: way.loses.add("finish")),
            after(70, way.loses.clear),
        )

        assert records(store) == ["succeeded 01-01 00:01", "succeeded 01-01 00:02"]
        assert len(way.called("finish")) > 3

    def test_an_ending_is_kept_until_the_store_is_back(self, way: Way, store: SteadyStore, journal: Journal) -> None:
        run_for(
            150,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=2)),
            after(61, lambda: setattr(way, "is_cut", True)),
            after(100, lambda: setattr(way, "is_cut", False)),
        )

        assert records(store) == ["succeeded 01-01 00:01", "succeeded 01-01 00:02"]

    @pytest.mark.parametrize("operation", ["register", "poll", "skip", "renew", "release", "states", "trim", "beat"])
    def test_any_other_answer_that_is_lost_does_no_harm(
        self, clock: VirtualClock, way: Way, store: SteadyStore, journal: Journal, operation: str
    ) -> None:
        def job() -> tasker.Task:
            return scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=20), misfire="skip")

        run_for(5, job())
        clock.advance(335)  # so that slots were missed
        way.calls.clear()
        way.loses = {operation}
        if operation in ("release", "states"):
            way.loses.add("claim")
        heard: list[str] = []
        unsubscribe = events.subscribe(
            lambda event: heard.append(type(event).__name__), events.StoreDown, events.StoreUp
        )

        run_for(300, job(), after(100, way.loses.clear))

        unsubscribe()
        assert any(when < 440 for when in way.called(operation))
        assert set(journal.slots()) >= {"01-01 00:08", "01-01 00:09", "01-01 00:10"}
        # A lease that cannot be renewed is lost, and its slot is started again.
        assert max(Counter(journal.slots()).values()) == (3 if operation == "renew" else 1)
        # What is not asked for the sake of a slot says nothing about the store.
        outages = {"renew": 0, "trim": 0, "beat": 0, "release": 2}.get(operation, 1)
        assert heard == ["StoreDown", "StoreUp"] * outages
        assert store.instances() == ()

    @pytest.mark.parametrize("operation", ["beat", "instances", "trim", "leave"])
    def test_what_is_said_for_people_only_keeps_nothing_waiting(
        self, store: SteadyStore, journal: Journal, monkeypatch: pytest.MonkeyPatch, operation: str
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreUnavailable("the table is locked")

        monkeypatch.setattr(store, operation, fail)

        run_for(190, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]

    def test_a_stop_while_it_is_away_is_bounded_by_the_lease(
        self, clock: VirtualClock, way: Way, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        run_for(
            70,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=30)),
            after(69, lambda: setattr(way, "is_cut", True)),
        )

        assert 85 <= clock.elapsed <= 85.1
        assert "the end of the run of 'job' for 2026-01-01 00:01:00+00:00 was not recorded" in caplog.messages

    def test_a_run_that_takes_long_to_leave_is_recorded_all_the_same(
        self, clock: VirtualClock, way: Way, store: SteadyStore
    ) -> None:
        def lingering(seconds: float) -> Callable[[Context], None]:
            def work(ctx: Context) -> None:
                ctx.wait()
                with Context.background().with_timeout(seconds) as rest:
                    rest.wait()

            return work

        scheduler = scheduler_on(way)
        for number in range(3):  # the ends are a few milliseconds apart
            scheduler.add(f"{number}", EACH_MINUTE, lingering(40 + number / 100))
        run_for(70, scheduler)

        assert [records(store, f"{number}") for number in range(3)] == [["succeeded 01-01 00:01"]] * 3

    def test_one_that_refuses_for_good_ends_all_tasks_with_its_error(
        self, clock: VirtualClock, way: Way, journal: Journal, caplog: pytest.LogCaptureFixture
    ) -> None:
        left: list[float] = []
        refusal = TaskerError("the table is not ours")

        def work(ctx: Context) -> None:
            ctx.wait()
            left.append(clock.elapsed)
            ctx.raise_if_done()

        scheduler = scheduler_on(way, name="me")
        tasks = [scheduler.with_schedule(name, EACH_MINUTE, work) for name in ("a", "b")]
        scheduler.add("c", EACH_MINUTE, work)

        with pytest.raises(ExceptionGroup) as caught:
            run_for(
                100,
                tasker.concurrence(tasks[0]),
                tasker.concurrence(tasks[1]),
                scheduler,
                after(70, lambda: setattr(way, "refuses", refusal)),
            )

        assert caught.value.split(lambda error: error is refusal)[1] is None
        assert len(left) == 3
        assert all(70 <= when <= 71.1 for when in left)
        assert "the scheduler me ends" in caplog.messages
        assert sum("was not recorded" in message for message in caplog.messages) == 3

    def test_one_that_refuses_at_the_start_ends_them_before_anything_ran(self, way: Way, journal: Journal) -> None:
        way.refuses = TaskerError("the server is too old")

        with pytest.raises(TaskerError, match="the server is too old"):
            tasker.run(scheduler_on(way).with_schedule("job", EACH_SECOND, journal.noting()))

        assert journal.lines() == []

    def test_nothing_runs_where_no_thread_can_be_started_that_renews_leases(
        self, way: Way, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = threads.start

        def start_others(name: str, target: Callable[[], object]) -> object:
            if name == "tasker-renewal":
                raise RuntimeError("can't start new thread")
            return start(name, target)

        monkeypatch.setattr(threads, "start", start_others)

        with pytest.raises(RuntimeError, match="can't start new thread"):
            tasker.run(scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.lines() == []

    def test_where_no_thread_can_be_started_for_a_run_the_scheduler_ends(
        self, way: Way, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        scheduler = scheduler_on(way)
        for number in range(3):
            scheduler.add(f"job {number}", EACH_MINUTE, journal.noting())
        monkeypatch.setattr("tasker.scheduler._runner.start_from_anywhere", refuse)

        with pytest.raises(ExceptionGroup) as caught:
            tasker.run(scheduler)

        assert caught.group_contains(RuntimeError, match="can't start new thread")
        assert journal.lines() == []

    def test_a_run_whose_end_is_refused_for_good_is_given_up(
        self, way: Way, store: SteadyStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(owner: str, endings: object) -> None:
            raise TaskerError("the row is not ours")

        monkeypatch.setattr(store, "finish", refuse)

        with pytest.raises(TaskerError, match="the row is not ours"):
            tasker.run(scheduler_on(way).with_schedule("job", EACH_MINUTE, lambda: None))

        assert "the end of the run of 'job' for 2026-01-01 00:01:00+00:00 was not recorded" in caplog.messages

    def test_uses_that_wait_for_their_turn_end_too(self, way: Way) -> None:
        way.refuses = TaskerError("no tables")
        errors: list[BaseException] = []
        task = tasker.on_error(
            scheduler_on(way).with_schedule("job", EACH_MINUTE, fails), lambda error, ctx: errors.append(error)
        )

        tasker.run(tasker.concurrence(task, task, task))

        assert errors == [way.refuses] * 3

    def test_after_that_it_can_be_run_again(self, way: Way, journal: Journal) -> None:
        way.refuses = TaskerError("no tables")
        task = scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting())
        with pytest.raises(TaskerError):
            tasker.run(task)

        way.refuses = None
        run_for(70, task)

        assert journal.lines() == [" 01-01 00:01"]

    def test_a_row_that_was_deleted_is_made_again(self, way: Way, store: SteadyStore, journal: Journal) -> None:
        run_for(
            190,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(70, lambda: store._rows.pop("job")),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:03"]

    @pytest.mark.parametrize("newer", [FORMAT + 1, UNREADABLE])
    def test_a_row_that_is_not_ours_to_read_is_left_alone_and_the_others_run(
        self, way: Way, store: SteadyStore, journal: Journal, caplog: pytest.LogCaptureFixture, newer: int
    ) -> None:
        store.register([Definition("newer", "from a later version")])
        store._rows["newer"].format = newer
        before = store.states(["newer"])

        run_for(
            190,
            scheduler_on(way).with_schedule("newer", EACH_MINUTE, journal.noting("newer")),
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()),
        )

        assert journal.lines() == [" 01-01 00:01", " 01-01 00:02", " 01-01 00:03"]
        assert store.states(["newer"]) == before
        assert caplog.messages == [
            f"'newer' is left alone: its row cannot be read, or a newer version of tasker wrote it (format {newer})"
        ]

    def test_a_row_that_has_been_repaired_is_run_again_within_some_seconds(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        store.register([Definition("job", "every minute")])
        store._rows["job"].format = UNREADABLE

        run_for(
            190,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(110, lambda: setattr(store._rows["job"], "format", FORMAT)),
        )

        assert journal.slots() == ["01-01 00:02", "01-01 00:03"]

    def test_a_slot_that_cannot_be_passed_over_is_asked_about_now_and_then(
        self, way: Way, store: SteadyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.register([Definition("job", str(EACH_MINUTE))])
        monkeypatch.setattr(store, "skip", lambda skips: tasker.ports.Done(store._now(), frozenset()))

        run_for(
            3600,
            tasker.sequence(
                lambda ctx: ctx.sleep(3590), scheduler_on(way).with_schedule("job", EACH_MINUTE, fails, misfire="skip")
            ),
        )

        assert 3 <= len(way.called("skip")) <= 50


class TestSlowRenewals:
    def test_nothing_new_is_started_meanwhile_and_things_go_on_after(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        scheduler = scheduler_on(way)
        scheduler.add("long", EACH_MINUTE, journal.noting("long", seconds=30))
        scheduler.add("job", EACH_SECOND, journal.noting("job"))

        run_for(
            100,
            scheduler,
            after(62, lambda: way.delays.update(renew=2.3)),
            after(76, way.delays.clear),
        )

        times = [each.at for each in journal.started if each.instance == "job"]
        quiet = [round(earlier) for earlier, later in pairwise(times) if later - earlier > 1.5]
        assert quiet == [67]
        assert records(store, "long")[0] == "succeeded 01-01 00:01"

    def test_the_last_run_to_end_while_they_are_slow_does_not_stop_everything(self, way: Way, journal: Journal) -> None:
        run_for(
            200,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=8)),
            after(61, lambda: way.delays.update(renew=2)),
            after(75, way.delays.clear),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]


class TestSlowStores:
    """The store does what it is asked for, and its answer takes its time."""

    def test_a_stop_meanwhile_leaves_no_lease_behind(self, way: Way, store: SteadyStore, journal: Journal) -> None:
        way.delays["claim"] = 2

        run_for(60.5, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=5)))

        (state,) = store.states()
        assert (state.owner, state.slot) == (None, at("01-01 00:01"))
        assert records(store) == ["interrupted 01-01 00:01"]

    def test_nothing_is_started_under_a_lease_that_is_over_when_the_answer_comes(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        way.delays["claim"] = 30  # of which the lease has 15

        run_for(
            200,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(80, way.delays.clear),
        )

        assert journal.started[0].attempt == 2
        assert journal.started[0].at >= 90
        assert records(store)[0].startswith("lease_lost 01-01 00:01")

    def test_an_entry_that_leaves_leaves_no_lease_behind(self, way: Way, store: SteadyStore, journal: Journal) -> None:
        way.delays["claim"] = 2
        scheduler = scheduler_on(way)
        scheduler.add("job", EACH_MINUTE, journal.noting(seconds=5))
        scheduler.add("other", DAILY, journal.noting())

        run_for(70, scheduler, after(60.5, lambda: scheduler.remove("job")))

        assert [state.owner for state in store.states()] == [None, None]
        assert records(store) == ["interrupted 01-01 00:01"]

    def test_what_was_claimed_is_not_taken_for_a_claim_whose_answer_was_lost(
        self, way: Way, store: SteadyStore, journal: Journal
    ) -> None:
        way.delays["claim"] = 3  # it is done after half of that, and answered after all of it

        run_for(
            75,
            scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting(seconds=5)),
            after(61.8, lambda: store.control(Action.TRIGGER, ["job"])),  # so that a poll has the row
        )

        assert way.called("release") == []
        assert [round(each.at) for each in journal.started] == [63, 71]
        assert [record.split()[0] for record in records(store)] == ["succeeded", "interrupted"]


def test_a_store_that_is_heard_of_when_the_scheduler_has_ended_starts_nothing(
    clock: VirtualClock, store: SteadyStore, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    class Late(Way):
        def listen(self, callback: Callable[[], object]) -> Callable[[], object]:
            self.ring = callback
            return lambda: None

    way = Late(store)
    run_for(61, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))
    clock.settle()
    monkeypatch.setattr("tasker._core.threads.start", lambda name, _: started.append(name))

    way.ring()

    assert started == []


class TestCapacity:
    def test_no_more_run_at_once_than_is_allowed(self, store: SteadyStore, journal: Journal) -> None:
        running = 0
        most = 0

        def work(ctx: Context) -> None:
            nonlocal running, most
            journal.note()
            running += 1
            most = max(most, running)
            ctx.sleep(5)
            running -= 1

        scheduler = scheduler_on(Way(store), max_running=3)
        for number in range(10):
            scheduler.add(f"{number}", DAILY, work, first="now")
        run_for(100, scheduler)

        assert most == 3
        assert len(journal.started) == 10

    def test_those_that_wait_get_their_turn(self, store: SteadyStore, journal: Journal) -> None:
        scheduler = scheduler_on(Way(store), max_running=1)
        for number in range(4):
            scheduler.add(f"{number}", EACH_SECOND, journal.noting(f"{number}", seconds=0.9))

        run_for(80, scheduler)

        counts = Counter(each.instance for each in journal.started)
        assert len(counts) == 4
        assert min(counts.values()) > 5


class BusyStore(SteadyStore):
    """A store in which somebody has locked the first rows of each of the first claims, so many of these.

    Attributes:
        asked: How many slots each claim asked for.
    """

    def __init__(self, *locked: int) -> None:
        super().__init__()
        self.asked: list[int] = []
        self._locked = list(locked)

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        self.asked.append(len(proposals))
        return super().claim(owner, ttl, capacity, proposals[self._locked.pop(0) if self._locked else 0 :])


@pytest.mark.usefixtures("clock")
class TestAsking:
    """Three hundred are due, and four may run at once, for half a minute each."""

    def ask(self, store: BusyStore, journal: Journal) -> list[int]:
        scheduler = scheduler_on(Way(store), max_running=4)
        for number in range(300):
            scheduler.add(f"{number}", EACH_MINUTE, journal.noting(seconds=30))
        run_for(70, scheduler)
        return store.asked

    def test_an_instance_asks_for_what_it_can_run(self, journal: Journal) -> None:
        assert self.ask(BusyStore(), journal) == [4]
        assert len(journal.started) == 4

    def test_it_asks_for_more_and_more_as_long_as_others_are_quicker(self, journal: Journal) -> None:
        assert self.ask(BusyStore(1, 4), journal)[:2] == [4, 16]
        assert len(journal.started) == 4

    def test_it_asks_for_many_only_if_they_were_due_a_while_ago(self, journal: Journal) -> None:
        few, more, some_tens, many = self.ask(BusyStore(1, 16, 64), journal)[:4]

        assert (few, more, some_tens) == (4, 16, 64)
        assert many > 200


class TestStatements:
    def test_what_is_due_at_once_is_claimed_and_recorded_at_once(self, way: Way, journal: Journal) -> None:
        scheduler = scheduler_on(way)
        for number in range(20):
            scheduler.add(f"{number}", EACH_MINUTE, journal.noting(seconds=1))

        run_for(190, scheduler)

        assert len(journal.started) == 60
        assert len(way.called("register")) <= 5
        assert len(way.called("claim")) <= 6
        assert len(way.called("finish")) <= 12

    @pytest.mark.parametrize("runs_a_second", [1, 2, 5, 20, 200])
    def test_runs_that_are_spread_over_the_second_share_statements(
        self, clock: VirtualClock, way: Way, runs_a_second: int
    ) -> None:
        seconds = 10.5
        late: list[float] = []

        def work() -> None:
            late.append(clock.elapsed - (Run.current().slot - START).total_seconds())

        scheduler = scheduler_on(way)
        for number in range(runs_a_second):
            rule = schedule.Interval(seconds=1, anchor=START + timedelta(seconds=(number + 0.5) / runs_a_second))
            scheduler.add(f"{number}", rule, work)

        run_for(seconds, scheduler)

        sent = len(way.called("claim")) + len(way.called("finish"))
        assert len(late) >= 10 * runs_a_second
        assert sent <= seconds * max(12, 2 + 10 / 64 * runs_a_second) + 4  # what is saved up, and the last recording
        assert min(late) >= -1e-6  # the store has whole microseconds
        assert max(late) < (0.01 if runs_a_second <= 2 else 0.25)

    def test_those_that_take_turns_wait_for_each_other_and_hardly_for_more(self, way: Way, journal: Journal) -> None:
        scheduler = scheduler_on(way, max_running=16)
        for number in range(320):
            scheduler.add(f"{number}", EACH_MINUTE, journal.noting())

        run_for(70, scheduler)

        assert len(journal.started) == 320
        assert len(way.called("claim")) <= 22
        assert len(way.called("finish")) <= 22
        # Twenty times 20 ms if each turn gathered, though nothing else can come; the first may wait for credit.
        assert journal.started[-1].at - journal.started[0].at < 0.25

    def test_an_instance_that_waits_asks_once_a_second_and_little_else(self, way: Way, journal: Journal) -> None:
        run_for(99.5, scheduler_on(way).with_schedule("job", DAILY, journal.noting()))

        calls = Counter(name for name, _ in way.calls)
        assert calls == {"register": 1, "poll": 100, "beat": 20, "instances": 7, "leave": 1}

    def test_the_last_word_is_said_before_the_task_returns_and_whoever_waits_closes_the_store(
        self, clock: VirtualClock, way: Way, journal: Journal
    ) -> None:
        way.delays["leave"] = 2
        begun = clock.boottime()
        run_for(10, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))
        assert [when - begun for when in way.called("leave")] == [pytest.approx(10)]
        assert clock.boottime() - begun == pytest.approx(12)

    def test_history_is_trimmed_now_and_then(self, clock: VirtualClock, store: SteadyStore, journal: Journal) -> None:
        way = Way(store)
        run_for(300, scheduler_on(way, history=20).with_schedule("job", EACH_SECOND, journal.noting()))

        assert 20 <= len(records(store)) <= 60
        assert len(way.called("trim")) == 10

    @pytest.mark.parametrize(("days", "kept"), [(29, ["succeeded 01-01 00:01"]), (31, [])])
    def test_what_is_older_than_thirty_days_is_trimmed_also_of_a_schedule_that_does_not_run(
        self, days: int, kept: list[str], clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        once_a_year = schedule.Cron("1 0 1 1 *")
        run_for(
            300,
            scheduler_on(Way(store)).with_schedule("job", once_a_year, journal.noting()),
            after(90, lambda: clock.suspend(days * 86_400)),
        )

        assert records(store) == kept
        (state,) = store.states()
        assert said(state.last_success or 0) == "01-01 00:01"


class TestClocks:
    def test_a_wall_clock_that_jumps_changes_nothing(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        run_for(
            500,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=20)),
            after(70, lambda: clock.jump(2 * 3600)),
            after(130, lambda: clock.jump(-26 * 3600)),
            after(290, lambda: clock.jump(366 * 24 * 3600)),
        )

        assert [round(each.at) for each in journal.started] == [60, 120, 180, 240, 300, 360, 420, 480]
        assert journal.slots() == [f"01-01 00:{minute:02}" for minute in range(1, 9)]

    def test_a_store_s_clock_that_is_set_forward_runs_the_latest_slot_that_it_passed(
        self, clock: VirtualClock, journal: Journal
    ) -> None:
        store = memory.Store()

        run_for(
            200,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(90, lambda: clock.jump(3 * 3600)),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 03:01", "01-01 03:02", "01-01 03:03"]
        assert 90 <= journal.started[1].at <= 91.1
        assert records(store)[1:3] == ["succeeded 01-01 03:01", "skipped(misfired) 01-01 00:02 until 01-01 03:00, 179"]

    def test_a_store_s_clock_that_is_set_back_runs_no_slot_twice(self, clock: VirtualClock, journal: Journal) -> None:
        run_for(
            3600 + 200,
            scheduler_on(Way(memory.Store())).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(90, lambda: clock.jump(-3600)),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]
        assert [round(each.at) for each in journal.started] == [60, 3720, 3780]

    def test_a_machine_that_slept_for_a_day_runs_the_latest_slot_at_once(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        run_for(
            100,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(30, lambda: clock.suspend(86_400 + 60)),
        )

        assert journal.slots() == ["01-02 00:01", "01-02 00:02"]
        assert journal.started[0].at - 86_460 <= 31.1

    def test_a_run_that_slept_longer_than_its_lease_has_lost_it(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        run_for(
            120,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=20)),
            after(70, lambda: clock.suspend(3600)),
        )

        assert records(store)[0] == "lease_lost 01-01 00:01"
        assert journal.lines()[:2] == [" 01-01 00:01", " 01-01 00:01 attempt 2"]

    def test_a_slot_is_an_instant_and_new_rules_of_a_zone_make_new_ones(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        for minutes_ahead in (0, -10, 10):
            rule = schedule.Daily(minute=15, tz=ChangingZone(minutes_ahead / 60))
            run_for(30 * 60, scheduler_on(Way(store)).with_schedule("job", rule, journal.noting()))
            clock.suspend(86_400 - 30 * 60)

        # Under the rules of the second day, the first day's slot is later than what was decided: another slot.
        # Under those of the third, the second day's is earlier than that: no slot any more.
        assert journal.slots() == ["01-01 00:15", "01-01 00:25", "01-02 00:25", "01-03 00:05"]

    def test_a_slot_that_new_rules_moved_into_the_past_is_a_misfire(self, store: SteadyStore, journal: Journal) -> None:
        for minutes_ahead in (0, 10):
            rule = schedule.Daily(minute=15, tz=ChangingZone(minutes_ahead / 60))
            run_for(10 * 60, scheduler_on(Way(store)).with_schedule("job", rule, journal.noting()))

        assert journal.slots() == ["01-01 00:05"]
        assert 600 <= journal.started[0].at <= 602

    def test_instances_whose_clocks_are_wrong_go_by_the_store_s(
        self, clock: VirtualClock, store: SteadyStore, journal: Journal
    ) -> None:
        clock.jump(3600)

        run_for(130, *[scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()) for _ in range(2)])

        assert journal.slots() == ["01-01 00:01", "01-01 00:02"]
        assert [round(each.at) for each in journal.started] == [60, 120]

    def test_a_slow_store_makes_no_slot_early(self, store: SteadyStore, journal: Journal) -> None:
        way = Way(store)
        way.delays = {"register": 2, "poll": 1, "claim": 0.5}

        run_for(130, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.slots() == ["01-01 00:01", "01-01 00:02"]
        assert all(each.token >= at(each.slot or "") for each in journal.started)


def test_a_failure_is_a_failure_of_one_slot_only(store: SteadyStore, journal: Journal) -> None:
    def odd(ctx: Context) -> None:
        journal.note()
        if Run.current().slot.minute % 2:
            raise Boom

    run_for(250, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, odd))

    assert [line.split()[0] for line in records(store)] == ["failed", "succeeded", "failed", "succeeded"]
    (state,) = store.states(["job"])
    assert (state.failures, state.last_outcome) == (0, Outcome.SUCCEEDED)


def test_a_schedule_without_more_slots_waits_for_its_end(
    clock: VirtualClock, store: SteadyStore, journal: Journal
) -> None:
    once = schedule.At(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))

    run_for(300, scheduler_on(Way(store)).with_schedule("job", once, journal.noting()))

    assert journal.slots() == ["01-01 00:01"]
    assert store.states(["job"])[0].next_slot is None
    assert clock.elapsed == 300


@pytest.mark.parametrize("seconds", [0.01, 1, 20, 70])
def test_what_is_asked_for_by_hand_runs_once_however_many_instances_there_are(
    store: SteadyStore, journal: Journal, seconds: float
) -> None:
    schedulers = [scheduler_on(Way(store)) for _ in range(3)]
    for number, scheduler in enumerate(schedulers):
        scheduler.add("job", DAILY, journal.noting(f"{number}", seconds=seconds))

    run_for(200, *schedulers, after(10.5, lambda: schedulers[0].trigger("job")))

    assert len(journal.started) == 1
    assert [record.manual for record in store.history("job", 10)] == [True]


def test_what_is_asked_for_by_hand_does_not_wait_behind_all_that_is_due(
    way: Way, store: SteadyStore, journal: Journal
) -> None:
    scheduler = scheduler_on(way)
    scheduler.add("rare", DAILY, journal.noting())
    for number in range(40):  # more than can be claimed one by one
        anchor = START + timedelta(milliseconds=25 * number)
        scheduler.add(f"job {number}", schedule.Interval(seconds=1, anchor=anchor), lambda: None)

    asked = [10.51 + 3 * number for number in range(10)]
    run_for(45, scheduler, *[after(when, lambda: store.control(Action.TRIGGER, ["rare"])) for when in asked])

    heard = [min(poll for poll in way.called("poll") if poll >= when) for when in asked]
    assert [each.at for each in journal.started] == pytest.approx(heard, abs=0.001)


@pytest.mark.parametrize("end", ["stopped", "drained"])
@pytest.mark.parametrize("kind", ["requested", "queued", "in order"])
def test_what_waits_behind_the_last_run_of_an_instance_starts_elsewhere_within_a_second(
    store: SteadyStore, journal: Journal, kind: str, end: str
) -> None:
    def work(ctx: Context) -> None:
        journal.note("first")
        with Context.background().with_timeout(10) as rest:  # it ends normally, although it is asked to end
            rest.wait()

    slots = schedule.At(*[START + timedelta(seconds=second) for second in (60, 61, 62)])
    policies: dict[str, Any] = {"queued": {"overlap": "queue"}, "in order": {"misfire": "run_all"}}.get(kind, {})
    rule = DAILY if kind == "requested" else slots
    leaving, other = scheduler_on(Way(store), name="leaving"), scheduler_on(Way(store))
    first = leaving.with_schedule("job", rule, work, **policies)
    steps = [after(8 + 60, lambda: leaving.drain("leaving"))] if end == "drained" else []
    if kind == "requested":
        steps += [after(when, lambda: store.control(Action.TRIGGER, ["job"])) for when in (60, 62.3)]

    run_for(
        100,
        first if end == "drained" else stopped_after(8 + 60, first),
        tasker.sequence(lambda ctx: ctx.sleep(61.5), other.with_schedule("job", rule, journal.noting(), **policies)),
        *steps,
    )

    one, two, *_ = journal.started
    assert (one.instance, two.instance) == ("first", "")
    assert two.at - (one.at + 10) <= 1.05


def test_paused_is_paused_in_all_instances_within_a_second(store: SteadyStore, journal: Journal) -> None:
    instances = [scheduler_on(Way(store)).with_schedule("job", EACH_SECOND, journal.noting()) for _ in range(2)]

    run_for(
        40.5,
        *instances,
        after(10.5, lambda: store.control(Action.PAUSE, None)),
        after(30.5, lambda: store.control(Action.RESUME, None)),
    )

    assert len(journal.started) == 20
    assert next(line for line in records(store) if "paused" in line).startswith("skipped(paused) 01-01 00:00:10")


def test_an_error_no_store_could_keep_harms_nothing(store: SteadyStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "tasker")  # nor could a report of this test that has it

    def work() -> None:
        raise ValueError("a\0b \ud800 " + "x" * 20_000)

    run_for(70, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, work))

    error = store.history("job", 1)[0].error or ""
    assert len(error) <= 8_001
    assert error.startswith("…")


def test_the_owner_is_another_one_each_time_so_that_forks_do_not_share_it(store: SteadyStore) -> None:
    owners: set[str] = set()
    task = scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, lambda: owners.add(Run.current().owner))

    for _ in range(2):
        run_for(70, task)

    assert len(owners) == 2


def test_an_unavailable_store_is_no_reason_to_end(way: Way, clock: VirtualClock) -> None:
    way.refuses = StoreUnavailable("read-only")

    run_for(3600, scheduler_on(way).with_schedule("job", EACH_MINUTE, fails))

    assert clock.elapsed == 3600
    assert len(way.calls) < 3600  # the pause grows to 5 s
