"""What people ask of schedules and instances, from the process that runs them or from any other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tasker
from tasker import Context, Run, Scheduler, StoreUnavailable, schedule
from tasker.ports import Definition, Outcome
from tasker.scheduler import _control
from tasker.testing import VirtualClock
from tests._support.instances import Journal, SteadyStore, Way, after, records, run_for, scheduler_on, stopped_after
from tests._support.tasks import fails
from tests._support.third_party import FencedLocks, FencedStates

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
DAILY = schedule.Daily(hour=4, tz="UTC")


@pytest.fixture
def operator(store: SteadyStore) -> Scheduler:
    """A scheduler that is never run: a script, or a page for operators."""
    return scheduler_on(Way(store))


class TestPausing:
    def test_a_paused_schedule_starts_nothing_and_goes_on_with_the_next_slot(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        instances = [scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()) for _ in range(2)]

        run_for(
            330,
            *instances,
            after(90, lambda: operator.pause("job")),
            after(270, lambda: operator.resume("job")),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:05"]
        assert records(store)[1].startswith("skipped(paused)")

    def test_only_the_one_that_was_named_is_paused(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        scheduler = scheduler_on(Way(store))
        scheduler.add("one", EACH_MINUTE, journal.noting("one"))
        scheduler.add("two", EACH_MINUTE, journal.noting("two"))

        run_for(130, scheduler, after(30, lambda: operator.pause("one")))

        assert journal.lines() == ["two 01-01 00:01", "two 01-01 00:02"]

    def test_all_can_be_paused_and_resumed(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        scheduler = scheduler_on(Way(store))
        scheduler.add("one", EACH_MINUTE, journal.noting("one"))
        scheduler.add("two", EACH_MINUTE, journal.noting("two"))
        ids: list[tuple[str, ...]] = []

        run_for(
            190,
            scheduler,
            after(30, lambda: ids.append(operator.pause_all())),
            after(150, lambda: ids.append(operator.resume_all())),
        )

        assert ids == [("one", "two"), ("one", "two")]
        assert sorted(journal.lines()) == ["one 01-01 00:03", "two 01-01 00:03"]

    def test_a_run_that_goes_on_is_not_stopped(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        run_for(
            130,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=30)),
            after(70, lambda: operator.pause("job")),
        )

        assert records(store) == ["succeeded 01-01 00:01"]


class TestTriggering:
    def test_a_run_by_hand_is_a_run(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        triggers: list[str] = []

        def work(ctx: Context) -> None:
            triggers.append(Run.current().trigger)
            journal.note()

        run_for(
            70,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, work),
            after(10, lambda: operator.trigger("job")),
        )

        assert triggers == ["manual", "schedule"]
        assert journal.started[0].at <= 11.1
        assert [record.manual for record in store.history("job", 10)] == [False, True]

    def test_the_instance_that_asks_starts_it_at_once(self, store: SteadyStore, journal: Journal) -> None:
        scheduler = scheduler_on(Way(store))

        run_for(
            30,
            scheduler.with_schedule("job", DAILY, journal.noting()),
            after(10.5, lambda: scheduler.trigger("job")),
        )

        assert [each.at for each in journal.started] == [pytest.approx(10.5, abs=0.05)]

    def test_it_waits_for_the_run_that_goes_on(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        run_for(
            110,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting(seconds=30)),
            after(70, lambda: operator.trigger("job")),
        )

        assert [round(each.at) for each in journal.started] == [60, 90]

    def test_a_paused_schedule_can_be_run_by_hand(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        run_for(
            70,
            scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()),
            after(5, lambda: operator.pause("job")),
            after(10, lambda: operator.trigger("job")),
        )

        assert len(journal.started) == 1
        assert 10 <= journal.started[0].at <= 11.1


class TestUnknownIds:
    @pytest.mark.parametrize("action", ["pause", "resume", "trigger"])
    def test_what_the_store_does_not_know_is_an_error_that_helps(
        self, store: SteadyStore, operator: Scheduler, action: str
    ) -> None:
        store.register([Definition("backup", "daily"), Definition("report", "daily")])

        with pytest.raises(KeyError, match=r"knows no schedule 'bakup', but 2 others; did you mean 'backup'\?"):
            getattr(operator, action)("bakup")

    @pytest.mark.parametrize("ask", ["pause", "resume", "trigger", "history", "explain"])
    @pytest.mark.parametrize(("id", "error"), [("", ValueError), ("x" * 256, ValueError), (7, TypeError)])
    def test_what_cannot_be_an_id_is_refused(
        self, operator: Scheduler, ask: str, id: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="id: expected"):
            getattr(operator, ask)(id)

    def test_an_unknown_instance_is_an_error_that_helps(self, store: SteadyStore, operator: Scheduler) -> None:
        store.beat("owner", "web-1", "")

        with pytest.raises(KeyError, match=r"knows no instance 'web1', but 1 others; did you mean 'web-1'\?"):
            operator.drain("web1")

    def test_a_store_that_is_away_is_said_to_be(self, way: Way) -> None:
        way.is_cut = True

        with pytest.raises(StoreUnavailable):
            scheduler_on(way).pause("job")


class TestHistory:
    def test_it_has_every_run_the_newest_first(self, store: SteadyStore, operator: Scheduler) -> None:
        run_for(190, scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, fails))

        found = operator.history("job", limit=2)

        assert [record.outcome for record in found] == [Outcome.FAILED] * 2
        assert found[0].slot > found[1].slot
        assert operator.history("other") == ()

    @pytest.mark.parametrize(
        ("limit", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
    )
    def test_what_makes_no_limit_is_refused(self, operator: Scheduler, limit: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="limit: expected"):
            operator.history("job", limit=limit)


class TestInstances:
    def test_they_are_known_by_name_and_version_while_they_run(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        seen: list[list[tuple[str, str]]] = []

        def look() -> None:
            seen.append(sorted((each.name, each.version) for each in operator.instances()))

        run_for(
            90,
            scheduler_on(Way(store), name="web-1", version="1.2").with_schedule("job", DAILY, journal.noting()),
            stopped_after(50, scheduler_on(Way(store), name="web-2").with_schedule("job", DAILY, journal.noting())),
            after(20, look),
            after(60, look),
        )
        look()

        assert seen == [[("web-1", "1.2"), ("web-2", "")], [("web-1", "1.2")], []]

    def test_what_they_say_is_at_most_a_third_of_a_lease_old(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        ages: list[float] = []

        def look() -> None:
            (instance,) = operator.instances()
            ages.append((store._now() - instance.seen) / 1_000_000)

        run_for(
            60,
            scheduler_on(Way(store)).with_schedule("job", DAILY, journal.noting()),
            *[after(when, look) for when in range(10, 60, 3)],
        )

        assert max(ages) <= 5.1

    def test_an_instance_that_died_is_forgotten_after_a_day(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        store.beat("dead", "web-0", "")
        clock.suspend(timedelta(days=1, seconds=10))

        run_for(20, scheduler_on(Way(store)).with_schedule("job", DAILY, journal.noting()))

        assert operator.instances() == ()

    def test_one_that_cannot_say_goodbye_does_not_wait_for_that(
        self, clock: VirtualClock, way: Way, journal: Journal
    ) -> None:
        run_for(
            60,
            scheduler_on(way).with_schedule("job", DAILY, journal.noting()),
            after(55, lambda: setattr(way, "is_silent", True)),
        )

        assert clock.elapsed <= 64  # a call that was under way ends at its limit


class TestDraining:
    def test_a_drained_instance_starts_nothing_new_and_finishes_what_runs(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        run_for(
            250,
            scheduler_on(Way(store), name="one").with_schedule("job", EACH_MINUTE, journal.noting("one", seconds=10)),
            tasker.sequence(
                lambda ctx: ctx.sleep(65),
                scheduler_on(Way(store), name="two").with_schedule("job", EACH_MINUTE, journal.noting("two")),
            ),
            after(66, lambda: operator.drain("one")),
        )

        assert journal.lines() == ["one 01-01 00:01", "two 01-01 00:02", "two 01-01 00:03", "two 01-01 00:04"]
        assert records(store)[0] == "succeeded 01-01 00:01"

    def test_it_can_be_taken_back(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        run_for(
            190,
            scheduler_on(Way(store), name="one").with_schedule("job", EACH_MINUTE, journal.noting()),
            after(10, lambda: operator.drain("one")),
            after(130, lambda: operator.undrain("one")),
        )

        assert journal.slots() == ["01-01 00:02", "01-01 00:03"]  # the latest of those that were missed, at 130 s
        assert journal.started[0].at <= 131.1

    def test_an_instance_that_gets_no_answer_just_then_asks_again_soon(
        self, way: Way, operator: Scheduler, journal: Journal
    ) -> None:
        run_for(
            130,
            scheduler_on(way, name="one").with_schedule("job", EACH_MINUTE, journal.noting()),
            after(57, lambda: way.loses.add("beat")),
            after(57, lambda: operator.drain("one")),
            after(58.5, way.loses.clear),
            after(90, lambda: way.loses.add("beat")),
            after(90, lambda: operator.undrain("one")),
            after(91.5, way.loses.clear),
        )

        assert journal.slots() == ["01-01 00:01", "01-01 00:02"]
        assert 91 <= journal.started[0].at <= 94

    def test_an_instance_whose_store_could_only_be_read_asks_before_it_starts_anything(
        self, way: Way, operator: Scheduler, journal: Journal
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreUnavailable("the file is locked")

        def lock() -> None:
            vars(way).update(beat=fail, claim=fail)

        def unlock() -> None:
            del vars(way)["beat"], vars(way)["claim"]

        run_for(
            130,
            scheduler_on(way, name="one").with_schedule("job", EACH_MINUTE, journal.noting()),
            after(57, lock),
            after(57, lambda: operator.drain("one")),
            after(80, unlock),
        )

        assert journal.started == []

    def test_an_instance_can_drain_itself(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        scheduler = scheduler_on(Way(store), name="one")
        shown: list[bool] = []

        run_for(
            130,
            scheduler.with_schedule("job", EACH_MINUTE, journal.noting()),
            after(0, scheduler.drain),
            after(90, lambda: shown.extend(each.is_draining for each in operator.instances())),
        )

        assert journal.started == []
        assert shown == [True]

    def test_a_name_stands_for_all_that_have_it(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        run_for(
            130,
            *[scheduler_on(Way(store), name="web").with_schedule("job", EACH_MINUTE, journal.noting()) for _ in "ab"],
            after(10, lambda: operator.drain("web")),
        )

        assert journal.started == []

    def test_one_that_does_not_run_cannot_drain_itself(self, operator: Scheduler) -> None:
        with pytest.raises(RuntimeError, match="not running"):
            operator.drain()


class TestPurging:
    def test_what_nobody_has_run_for_long_is_deleted(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        run_for(70, scheduler_on(Way(store)).with_schedule("old", EACH_MINUTE, journal.noting()))
        clock.suspend(timedelta(days=40))
        run_for(70, scheduler_on(Way(store)).with_schedule("new", EACH_MINUTE, journal.noting()))

        assert operator.purge(timedelta(days=30)) == ("old",)

        assert [state.id for state in operator.states()] == ["new"]
        assert operator.history("old") == ()

    def test_what_has_been_running_for_long_is_not(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        gone: list[tuple[str, ...]] = []

        def sleep_and_purge() -> None:
            for _ in range(5):
                clock.suspend(timedelta(days=1))
                Context.background().sleep(60)
            gone.append(operator.purge(timedelta(days=2)))

        yearly = schedule.Yearly(12, 24, tz="UTC")
        run_for(600, scheduler_on(Way(store)).with_schedule("job", yearly, journal.noting()), after(1, sleep_and_purge))

        assert gone == [()]

    def test_more_than_a_thousand_go_in_parts(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler
    ) -> None:
        store.register([Definition(f"{number:04}", "daily") for number in range(2500)])
        clock.suspend(timedelta(days=3))

        assert len(operator.purge(timedelta(days=2))) == 2500

    def test_a_short_time_is_refused(self, operator: Scheduler) -> None:
        with pytest.raises(ValueError, match=r"older_than: expected two days"):
            operator.purge(timedelta(hours=47))


class TestExplaining:
    def why(self, scheduler: Scheduler, id: str = "job") -> str:
        return scheduler.explain(id).why

    def during(
        self,
        store: SteadyStore,
        seconds: float,
        task: tasker.TaskLike,
        *acts: Callable[[Context], None],
        **options: Any,
    ) -> Scheduler:
        scheduler = scheduler_on(Way(store), name="web-1")
        run_for(seconds, scheduler.with_schedule("job", EACH_MINUTE, task, **options), *acts)
        return scheduler

    def test_what_nobody_knows(self, operator: Scheduler) -> None:
        assert self.why(operator) == ("not running: no instance has ever registered it in this store and namespace")

    def test_what_runs_and_where(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        said: list[str] = []

        self.during(store, 90, journal.noting(seconds=20), after(70, lambda: said.append(str(operator.explain("job")))))

        first, second, *_ = said[0].splitlines()
        assert first == f"job: {EACH_MINUTE}"
        assert second.startswith("  running: web-1 (")
        assert second.endswith(") has attempt 1 for 2026-01-01 00:01:00 UTC since 10 s ago, and a lease for 10 s")

    def test_what_was_asked_to_end_and_has_not(self, store: SteadyStore, journal: Journal) -> None:
        scheduler = scheduler_on(Way(store), name="web-1")
        said: list[str] = []

        def stubborn() -> None:
            journal.note()
            Context.background().sleep(30)

        def look() -> None:
            explanation = scheduler.explain("job")
            assert explanation.returning_for == timedelta(seconds=5)
            said.append(explanation.why)

        tasker.run(
            tasker.concurrence(
                stopped_after(65, scheduler.with_schedule("job", EACH_MINUTE, stubborn)), after(70, look)
            )
        )

        assert said[0].endswith("it was asked to end 5 s ago and has not returned")

    def test_whose_instance_is_dead(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        way = Way(store)
        said: list[str] = []

        run_for(
            100,
            scheduler_on(way, name="web-1").with_schedule("job", EACH_MINUTE, journal.noting(seconds=100)),
            after(61, lambda: setattr(way, "is_cut", True)),
            after(90, lambda: said.append(self.why(operator))),
        )

        assert said[0].startswith("not running: web-1 (")
        assert "its lease ended 15 s ago; it is dead or cut off" in said[0]

    def test_what_is_paused(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        said: list[str] = []
        self.during(
            store,
            40,
            journal.noting(),
            after(10, lambda: operator.pause("job")),
            after(30, lambda: said.append(self.why(operator))),
        )

        assert said == ["not running: paused 20 s ago"]

    def test_what_waits_for_its_slot(self, store: SteadyStore, journal: Journal) -> None:
        said: list[str] = []
        scheduler = scheduler_on(Way(store))
        run_for(
            50,
            scheduler.with_schedule("job", EACH_MINUTE, journal.noting()),
            after(20, lambda: said.append(str(scheduler.explain("job")))),
        )

        lines = said[0].splitlines()
        assert lines[1:] == [
            "  not running: its next slot comes in 40 s",
            "  next: 2026-01-01 00:01:00 UTC, 2026-01-01 00:02:00 UTC, 2026-01-01 00:03:00 UTC",
        ]

    def test_what_is_overdue_because_nobody_runs(
        self, clock: VirtualClock, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        self.during(store, 70, journal.noting())
        clock.suspend(3600)

        assert self.why(operator) == (
            "not running: overdue: its slot 2026-01-01 00:02:00 UTC passed 59 min 10 s ago, and no instance has taken"
            " it; no instance has been seen for a minute"
        )

    def test_what_all_instances_are_drained_for(
        self, store: SteadyStore, operator: Scheduler, journal: Journal
    ) -> None:
        said: list[str] = []
        self.during(
            store,
            90,
            journal.noting(),
            after(10, lambda: operator.drain("web-1")),
            after(80, lambda: said.append(self.why(operator))),
        )

        assert said[0].endswith("; all instances are drained: web-1")

    def test_what_was_given_back_or_asked_for(self, store: SteadyStore, operator: Scheduler, journal: Journal) -> None:
        self.during(store, 65, journal.noting(seconds=20))
        assert self.why(operator).startswith(
            "not running: its slot 2026-01-01 00:01:00 UTC was given back, and waits for an instance to start it again"
        )

        operator.trigger("job")
        assert self.why(operator).startswith("not running: a run was asked for by hand 0 s ago, and waits")

    def test_what_has_no_more_slots(self, store: SteadyStore, journal: Journal) -> None:
        once = schedule.At(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
        scheduler = scheduler_on(Way(store))
        run_for(70, scheduler.with_schedule("job", once, journal.noting()))

        assert self.why(scheduler).startswith("not running: its schedule has no more slots")

    def test_the_last_records_are_told(self, store: SteadyStore, operator: Scheduler) -> None:
        self.during(store, 130, fails)

        assert [line.split(": ", 1)[1] for line in str(operator.explain("job")).splitlines()[-2:]] == [
            "failed, after 0 s, tests._support.tasks.Boom: sync",
            "failed, after 0 s, tests._support.tasks.Boom: sync",
        ]


class TestPairs:
    def test_a_pair_can_be_controlled_too(self, clock: VirtualClock, journal: Journal) -> None:
        scheduler = Scheduler(locker_factory=FencedLocks(), repository=FencedStates())

        run_for(
            250,
            scheduler.with_schedule("job", EACH_MINUTE, journal.noting()),
            after(70, lambda: scheduler.pause("job")),
            after(130, lambda: scheduler.trigger("job")),
            after(190, lambda: scheduler.resume("job")),
        )

        assert [round(each.at) for each in journal.started] == [60, 130, 240]

    def test_it_is_controlled_while_it_runs_here(self, clock: VirtualClock, journal: Journal) -> None:
        scheduler = Scheduler(locker_factory=FencedLocks(), repository=FencedStates())

        run_for(
            190,
            scheduler.with_schedule("job", EACH_MINUTE, journal.noting(seconds=30)),
            after(70, lambda: scheduler.pause("job")),
        )

        assert journal.slots() == ["01-01 00:01"]
        assert scheduler.states("job")[0].last_outcome is Outcome.SUCCEEDED

    def test_what_runs_elsewhere_cannot_be_changed_just_now(self, clock: VirtualClock, journal: Journal) -> None:
        locks, states = FencedLocks(), FencedStates()
        there = Scheduler(locker_factory=locks, repository=states)
        here = Scheduler(locker_factory=locks, repository=states)
        errors: list[str] = []

        def pause() -> None:
            with pytest.raises(StoreUnavailable) as caught:
                here.pause("job")
            errors.append(str(caught.value))

        run_for(90, there.with_schedule("job", EACH_MINUTE, journal.noting(seconds=20)), after(70, pause))

        assert errors == ["'job' runs just now, and its state can be changed under its lock only: try again later"]


def test_a_store_says_what_time_it_is_however_far_the_bell(store: SteadyStore) -> None:
    assert store.poll(_control._FAR).now == store._now()
