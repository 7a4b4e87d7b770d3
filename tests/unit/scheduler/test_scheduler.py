from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tasker
from tasker import Cancelled, Context, Run, Scheduler, schedule
from tasker.ports import LockerFactory, Outcome
from tasker.store import memory
from tasker.testing import VirtualClock
from tests._support.instances import Journal, SteadyStore, Way, after, records, run_for, scheduler_on, stopped_after
from tests._support.leftovers import nothing_left_behind
from tests._support.tasks import Boom, ended, fails, fails_async, until_the_end

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
EACH_SECOND = schedule.Interval(seconds=1, anchor=START)


@pytest.fixture
def scheduler(way: Way) -> Scheduler:
    return scheduler_on(way)


class TestRunning:
    def test_each_slot_is_run_until_the_context_ends_and_then_it_returns(
        self, scheduler: Scheduler, journal: Journal, store: SteadyStore, clock: VirtualClock
    ) -> None:
        run_for(150, scheduler.with_schedule("job", EACH_MINUTE, journal.noting()))

        assert journal.lines() == [" 01-01 00:01", " 01-01 00:02"]
        assert records(store) == ["succeeded 01-01 00:01", "succeeded 01-01 00:02"]
        assert clock.elapsed == 150

    def test_slots_start_on_time(self, scheduler: Scheduler, journal: Journal) -> None:
        run_for(600, scheduler.with_schedule("job", EACH_MINUTE, journal.noting()))

        assert [round(each.at, 1) for each in journal.started] == [60, 120, 180, 240, 300, 360, 420, 480, 540]

    def test_async_tasks_run_on_the_caller_s_loop(self, scheduler: Scheduler) -> None:
        loops: list[bool] = []

        async def main(ctx: Context) -> None:
            here = asyncio.get_running_loop()

            async def work() -> None:
                await asyncio.sleep(1)
                loops.append(asyncio.get_running_loop() is here)

            await stopped_after(70, scheduler.with_schedule("job", EACH_MINUTE, work))(ctx)

        tasker.run(main)
        assert loops == [True]

    def test_whole_trees_can_be_scheduled(self, scheduler: Scheduler, store: SteadyStore) -> None:
        ran: list[str] = []

        async def second() -> None:
            await asyncio.sleep(1)
            ran.append(f"async {Run.current().schedule_id}")

        tree = tasker.sequence(
            lambda: ran.append(f"sync {Run.current().schedule_id}"), tasker.concurrence(second, second)
        )
        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, tree))

        assert ran == ["sync job", "async job", "async job"]
        assert records(store) == ["succeeded 01-01 00:01"]

    def test_the_run_knows_what_it_is(self, store: SteadyStore, scheduler: Scheduler) -> None:
        runs: list[Run] = []

        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, lambda: runs.append(Run.current())))

        (run,) = runs
        (record,) = store.history("job", 10)
        assert run == Run(
            schedule_id="job",
            slot=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
            attempt=1,
            retry=0,
            trigger="schedule",
            fencing_token=record.token,
            owner=record.owner or "",
        )
        assert len(run.owner) == 36

    def test_a_run_that_was_asked_for_by_hand_says_so(self, store: SteadyStore, scheduler: Scheduler) -> None:
        triggers: list[str] = []

        run_for(
            30,
            scheduler.with_schedule("job", EACH_MINUTE, lambda: triggers.append(Run.current().trigger)),
            after(10.5, lambda: store.control(tasker.ports.Action.TRIGGER, ["job"])),
        )

        assert triggers == ["manual"]
        assert records(store) == ["succeeded 01-01 00:00:10"]

    def test_context_variables_and_values_reach_the_run(self, scheduler: Scheduler) -> None:
        seen: list[object] = []
        task = scheduler.with_schedule("job", EACH_MINUTE, lambda ctx: seen.append(ctx.value("color")))

        with Context.background().with_value("color", "green") as ctx:
            tasker.run(stopped_after(70, task), ctx)

        assert seen == ["green"]

    def test_nothing_is_left_behind(self, clock: VirtualClock, journal: Journal) -> None:
        with Context.background().with_cancel() as ctx, nothing_left_behind(ctx):
            scheduler = Scheduler()
            for number in range(20):
                scheduler.add(f"{number}", EACH_SECOND, journal.noting(seconds=0.5))
            tasker.run(stopped_after(5.2, scheduler), ctx)
            del scheduler
        assert len(journal.started) == 100

    def test_a_context_that_has_ended_starts_nothing(self, scheduler: Scheduler, way: Way) -> None:
        scheduler.add("added", EACH_SECOND, fails)

        scheduler.with_schedule("job", EACH_SECOND, fails).run(ended())
        scheduler.run(ended())

        assert way.calls == []

    def test_cancelling_the_awaiting_task_stops_it_and_waits(
        self, clock: VirtualClock, store: SteadyStore, scheduler: Scheduler
    ) -> None:
        left: list[float] = []

        async def work() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(3)
                left.append(clock.elapsed)

        async def main() -> None:
            scheduler.add("added", EACH_MINUTE, work)
            both = tasker.concurrence(scheduler, scheduler.with_schedule("job", EACH_MINUTE, work))
            running = asyncio.ensure_future(both(Context.background()))
            await asyncio.sleep(70)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        tasker.run(main)
        assert left == [73, 73]
        assert records(store) == records(store, "added") == ["interrupted 01-01 00:01"]


class TestFailure:
    @pytest.mark.parametrize("task", [fails, fails_async])
    def test_it_is_recorded_and_the_next_slot_runs(
        self, scheduler: Scheduler, store: SteadyStore, caplog: pytest.LogCaptureFixture, task: Callable[..., Any]
    ) -> None:
        run_for(130, scheduler.with_schedule("job", EACH_MINUTE, task))

        assert records(store) == ["failed 01-01 00:01", "failed 01-01 00:02"]
        assert caplog.messages == [
            "the run of 'job' for 2026-01-01 00:01:00+00:00 failed",
            "the run of 'job' for 2026-01-01 00:02:00+00:00 failed",
        ]
        assert all(record.exc_info and record.exc_info[0] is Boom for record in caplog.records)
        (state,) = scheduler.states("job")
        assert (state.failures, state.last_outcome, state.last_success) == (2, Outcome.FAILED, None)
        error = store.history("job", 1)[0].error or ""
        assert error.startswith("Traceback (most recent call last):")
        assert "Boom: " in error

    def test_it_ends_the_task_if_that_is_wanted_after_it_was_recorded(
        self, scheduler: Scheduler, store: SteadyStore, clock: VirtualClock
    ) -> None:
        with pytest.raises(Boom):
            tasker.run(scheduler.with_schedule("job", EACH_MINUTE, fails, on_failure="raise"))

        assert records(store) == ["failed 01-01 00:01"]
        assert clock.elapsed == pytest.approx(60, abs=0.1)

    def test_of_an_added_schedule_it_ends_the_scheduler_in_a_group(
        self, scheduler: Scheduler, store: SteadyStore, journal: Journal
    ) -> None:
        causes: list[BaseException | None] = []

        def watch(ctx: Context) -> None:
            ctx.wait()
            causes.append(ctx.cause)
            ctx.raise_if_done()

        scheduler.add("bad", EACH_MINUTE, tasker.sequence(lambda ctx: ctx.sleep(1), fails), on_failure="raise")
        scheduler.add("job", EACH_MINUTE, watch)

        with pytest.raises(ExceptionGroup, match="a task failed") as caught:
            tasker.run(scheduler)

        assert [type(each) for each in caught.value.exceptions] == [Boom]
        assert [str(cause) for cause in causes] == ["'bad' failed: Boom('sync')"]
        assert isinstance(causes[0], Cancelled)
        assert records(store) == ["interrupted 01-01 00:01"]

    def test_a_task_that_exits_ends_the_program_with_its_status(self, scheduler: Scheduler, store: SteadyStore) -> None:
        scheduler.add("job", EACH_MINUTE, lambda: sys.exit(3))

        with pytest.raises(SystemExit) as caught:
            tasker.run(tasker.concurrence(scheduler, until_the_end))

        assert caught.value.code == 3
        assert records(store) == ["failed 01-01 00:01"]

    def test_a_run_that_takes_too_long_is_timed_out(
        self, scheduler: Scheduler, store: SteadyStore, journal: Journal
    ) -> None:
        run_for(140, scheduler.with_schedule("job", EACH_MINUTE, journal.noting(seconds=50), timeout=10))

        assert records(store) == ["timed_out 01-01 00:01", "timed_out 01-01 00:02"]
        assert "'work' took longer than 10 s" in (store.history("job", 1)[0].error or "")

    def test_a_shutdown_is_no_timeout(self, scheduler: Scheduler, store: SteadyStore, journal: Journal) -> None:
        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, journal.noting(seconds=50), timeout=20))

        assert records(store) == ["interrupted 01-01 00:01"]

    def test_an_error_that_comes_during_the_shutdown_is_a_failure(
        self, scheduler: Scheduler, store: SteadyStore
    ) -> None:
        def stubborn(ctx: Context) -> None:
            ctx.wait()
            raise Boom

        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, stubborn))

        assert records(store) == ["failed 01-01 00:01"]

    def test_a_task_that_returns_during_the_shutdown_has_succeeded(
        self, scheduler: Scheduler, store: SteadyStore
    ) -> None:
        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, lambda ctx: ctx.wait() and None))

        assert records(store) == ["succeeded 01-01 00:01"]

    def test_a_cancellation_out_of_nowhere_is_a_failure(self, scheduler: Scheduler, store: SteadyStore) -> None:
        async def foreign() -> None:
            raise asyncio.CancelledError

        run_for(70, scheduler.with_schedule("job", EACH_MINUTE, foreign))

        assert records(store) == ["failed 01-01 00:01"]


class TestSchedulesThatDoNotWork:
    class Broken:
        def __init__(self, works_until: datetime) -> None:
            self.works_until = works_until

        def next_after(self, instant: datetime) -> datetime | None:
            if instant >= self.works_until:
                raise ZeroDivisionError("no more slots")
            return instant.replace(microsecond=0) + timedelta(seconds=10)

        def __str__(self) -> str:
            return "broken"

    @pytest.mark.parametrize("seconds", [0, 5, 25])
    def test_one_ends_with_its_error_and_harms_no_other(
        self, scheduler: Scheduler, journal: Journal, seconds: int
    ) -> None:
        broken = self.Broken(START + timedelta(seconds=seconds))
        errors: list[BaseException] = []
        task = scheduler.with_schedule("broken", broken, lambda: None)

        run_for(
            70,
            tasker.on_error(task, lambda error, ctx: errors.append(error)),
            scheduler.with_schedule("job", EACH_MINUTE, journal.noting()),
        )

        assert [repr(error) for error in errors] == ["ZeroDivisionError('no more slots')"]
        assert journal.lines() == [" 01-01 00:01"]

    def test_one_that_goes_back_in_time_is_found_out(self, scheduler: Scheduler) -> None:
        class Back:
            def next_after(self, instant: datetime) -> datetime | None:
                return instant - timedelta(seconds=1)

        with pytest.raises(ValueError, match="the slot after 2026-01-01 00:00:00"):
            tasker.run(scheduler.with_schedule("job", Back(), until_the_end))


class TestAdding:
    def test_what_was_added_before_runs_with_the_scheduler(self, scheduler: Scheduler, journal: Journal) -> None:
        scheduler.add("job", EACH_MINUTE, journal.noting())
        assert journal.lines() == []

        run_for(70, scheduler)

        assert journal.lines() == [" 01-01 00:01"]

    def test_what_is_added_later_runs_from_then_on(
        self, scheduler: Scheduler, journal: Journal, store: SteadyStore
    ) -> None:
        run_for(150, scheduler, after(90, lambda: scheduler.add("job", EACH_MINUTE, journal.noting())))

        assert journal.lines() == [" 01-01 00:02"]
        assert records(store) == ["succeeded 01-01 00:02"]

    def test_removing_interrupts_the_run_and_gives_its_slot_to_others(
        self, scheduler: Scheduler, store: SteadyStore, journal: Journal
    ) -> None:
        other = scheduler_on(Way(store))
        other.add("job", EACH_MINUTE, journal.noting("other"))
        scheduler.add("job", EACH_MINUTE, journal.noting("one", seconds=50))

        run_for(
            100,
            scheduler,
            tasker.sequence(lambda ctx: ctx.sleep(65), other),
            after(70, lambda: scheduler.remove("job")),
        )

        assert journal.lines() == ["one 01-01 00:01", "other 01-01 00:01 attempt 2"]
        assert journal.started[1].at - 70 <= 1.05
        assert records(store) == ["interrupted 01-01 00:01", "succeeded 01-01 00:01 attempt 2"]

    def test_what_was_removed_can_be_added_again_at_once(
        self, scheduler: Scheduler, store: SteadyStore, journal: Journal
    ) -> None:
        def replace() -> None:
            scheduler.remove("job")
            scheduler.add("job", EACH_MINUTE, journal.noting("new"))

        scheduler.add("job", EACH_MINUTE, journal.noting("old", seconds=50))

        run_for(130, scheduler, after(70, replace))

        assert journal.lines() == ["old 01-01 00:01", "new 01-01 00:01 attempt 2", "new 01-01 00:02"]

    def test_adding_and_removing_before_it_runs_leaves_nothing(self, scheduler: Scheduler, way: Way) -> None:
        scheduler.add("job", EACH_MINUTE, fails)
        scheduler.remove("job")
        scheduler.add("job", EACH_MINUTE, fails)
        scheduler.remove("job")

        run_for(70, scheduler)

        assert way.calls == []

    def test_what_was_never_added_cannot_be_removed(self, scheduler: Scheduler) -> None:
        scheduler.with_schedule("job", EACH_MINUTE, fails)

        for id in ("job", "other"):
            with pytest.raises(KeyError, match=f"no schedule '{id}' was added to this scheduler"):
                scheduler.remove(id)

    def test_a_scheduler_without_schedules_waits_for_its_end(self, scheduler: Scheduler, clock: VirtualClock) -> None:
        run_for(60, scheduler)

        assert clock.elapsed == 60

    def test_it_can_be_run_again_after_it_has_ended(self, scheduler: Scheduler, journal: Journal) -> None:
        scheduler.add("job", EACH_MINUTE, journal.noting())

        run_for(70, scheduler)
        run_for(70, scheduler)

        assert journal.lines() == [" 01-01 00:01", " 01-01 00:02"]

    def test_running_it_twice_at_once_is_refused(self, scheduler: Scheduler) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            run_for(10, tasker.concurrence(scheduler, scheduler))
        (group,) = caught.value.exceptions
        assert isinstance(group, ExceptionGroup)
        assert [repr(each)[:44] for each in group.exceptions] == ["RuntimeError('the scheduler runs already; ma"]

    def test_schedules_from_many_threads_are_all_run(self, scheduler: Scheduler, journal: Journal) -> None:
        def add_and_remove(number: int) -> Callable[[], None]:
            def work() -> None:
                for each in range(20):
                    scheduler.add(f"{number}.{each}", EACH_MINUTE, journal.noting())
                    if each % 2:
                        scheduler.remove(f"{number}.{each}")

            return work

        run_for(70, scheduler, *[add_and_remove(number) for number in range(8)])

        assert len(journal.started) == 80


class TestOneTaskManyTimes:
    def test_the_same_task_twice_at_once_is_still_one_run_at_a_time(
        self, scheduler: Scheduler, journal: Journal
    ) -> None:
        task = scheduler.with_schedule("job", EACH_MINUTE, journal.noting(seconds=5))

        run_for(70, task, task, task)

        assert journal.lines() == [" 01-01 00:01"]

    def test_when_one_use_ends_the_next_takes_its_place(
        self, scheduler: Scheduler, journal: Journal, clock: VirtualClock
    ) -> None:
        task = scheduler.with_schedule("job", EACH_MINUTE, journal.noting())

        run_for(250, *[stopped_after(70 * number, task) for number in (1, 2, 3)])

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]
        assert clock.elapsed == 210

    def test_a_use_that_waits_for_its_turn_can_end_before_that(
        self, scheduler: Scheduler, journal: Journal, clock: VirtualClock
    ) -> None:
        task = scheduler.with_schedule("job", EACH_MINUTE, journal.noting())

        run_for(500, stopped_after(130, task), stopped_after(10, task), stopped_after(20, task))

        assert journal.slots() == ["01-01 00:01", "01-01 00:02"]
        assert clock.elapsed == 130

    def test_two_schedulers_of_one_process_are_two_instances(self, store: SteadyStore, journal: Journal) -> None:
        tasks = [scheduler_on(Way(store)).with_schedule("job", EACH_MINUTE, journal.noting()) for _ in range(3)]

        run_for(190, *tasks)

        assert journal.slots() == ["01-01 00:01", "01-01 00:02", "01-01 00:03"]


class TestDecorator:
    def test_with_the_task_left_out_it_decorates_a_function(self, scheduler: Scheduler, journal: Journal) -> None:
        @scheduler.with_schedule("job", EACH_MINUTE)
        def work() -> None:
            journal.note()

        run_for(70, work)

        assert isinstance(work, tasker.Task)
        assert journal.lines() == [" 01-01 00:01"]

    def test_what_it_returns_then_is_no_task(self, scheduler: Scheduler) -> None:
        with pytest.raises(TypeError):
            tasker.run(scheduler.with_schedule("job", EACH_MINUTE))

    def test_one_decorator_schedules_one_function(self, scheduler: Scheduler) -> None:
        decorator = scheduler.with_schedule("job", EACH_MINUTE)
        decorator(fails)

        with pytest.raises(ValueError, match="'job' is taken already"):
            decorator(fails)

    def test_a_task_says_what_it_is(self, scheduler: Scheduler) -> None:
        assert str(scheduler.with_schedule("job", EACH_MINUTE, fails)) == (
            "with_schedule 'job' every minute, counted from 2026-01-01 00:00 UTC\n└── fails"
        )
        assert str(scheduler) == "scheduler"


class TestStates:
    def test_they_are_what_the_store_knows(self, scheduler: Scheduler) -> None:
        run_for(
            70,
            scheduler.with_schedule("b", EACH_MINUTE, lambda: None),
            scheduler.with_schedule("a", EACH_MINUTE, lambda: None),
        )

        assert [state.id for state in scheduler.states()] == ["a", "b"]
        (state,) = scheduler.states("b")
        assert state.definition == "every minute, counted from 2026-01-01 00:00 UTC"
        assert state.last_outcome is Outcome.SUCCEEDED
        assert state.decided_at == START + timedelta(minutes=1)
        assert state.next_slot_at == START + timedelta(minutes=2)
        assert scheduler.states("other") == ()

    def test_an_absent_store_is_an_error_here(self, way: Way) -> None:
        way.is_cut = True

        with pytest.raises(tasker.StoreUnavailable):
            scheduler_on(way).states()

    def test_an_id_that_cannot_be_one_is_refused(self, scheduler: Scheduler) -> None:
        with pytest.raises(ValueError, match="ids: expected 1 to 255 characters"):
            scheduler.states("")


class TestBadInput:
    @pytest.mark.parametrize(
        ("id", "error", "message"),
        [
            ("", ValueError, "id: expected 1 to 255 characters without NUL or lone surrogates, got ''"),
            (
                "x" * 256,
                ValueError,
                "id: expected 1 to 255 characters without NUL or lone surrogates, got 256 characters",
            ),
            ("a\0", ValueError, "id: expected 1 to 255 characters without NUL or lone surrogates, got 'a\\x00'"),
            ("\udfff", ValueError, "id: expected 1 to 255 characters without NUL or lone surrogates, got '\\udfff'"),
            (None, TypeError, "id: expected a string, got None"),
            (7, TypeError, "id: expected a string, got 7"),
            (b"job", TypeError, "id: expected a string, got b'job'"),
        ],
    )
    def test_an_id_that_no_store_can_keep_is_refused(self, id: Any, error: type[Exception], message: str) -> None:
        scheduler = Scheduler()

        for build in (scheduler.with_schedule, scheduler.add):
            with pytest.raises(error) as caught:
                build(id, EACH_MINUTE, fails)
            assert str(caught.value) == message

    def test_an_id_is_taken_once(self) -> None:
        scheduler = Scheduler()
        scheduler.with_schedule("job", EACH_MINUTE, fails)
        scheduler.add("added", EACH_MINUTE, fails)

        for build in (scheduler.with_schedule, scheduler.add):
            for id in ("job", "added"):
                with pytest.raises(ValueError, match=f"id: '{id}' is taken already; each schedule of a scheduler has"):
                    build(id, EACH_MINUTE, fails)
        scheduler.add("Job", EACH_MINUTE, fails)
        scheduler.add("job ", EACH_MINUTE, fails)

    def test_what_was_refused_takes_no_id(self) -> None:
        scheduler = Scheduler()
        wrong: list[tuple[Any, Any, Any]] = [(EACH_MINUTE, 5, 1), ("daily", fails, 1), (EACH_MINUTE, fails, -1)]
        for rule, task, timeout in wrong:
            with pytest.raises((TypeError, ValueError)):
                scheduler.add("job", rule, task, timeout=timeout)

        scheduler.add("job", EACH_MINUTE, fails)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            (
                {"misfire": "catch_up"},
                ValueError,
                "misfire: expected one of 'run_once', 'skip', 'run_all', got 'catch_up'",
            ),
            ({"overlap": "allow"}, ValueError, "overlap: expected one of 'skip', 'queue', got 'allow'"),
            ({"on_failure": None}, ValueError, "on_failure: expected one of 'record', 'raise', got None"),
            ({"first": 1}, ValueError, "first: expected one of 'auto', 'now', 'next', got 1"),
            ({"late": 0}, ValueError, "late: expected a duration of more than zero, got 0"),
            ({"late": START}, TypeError, "late: expected a timedelta or a number of seconds, got datetime.datetime("),
            ({"timeout": 0}, ValueError, "timeout: expected a duration of more than zero, got 0"),
            ({"timeout": -3}, ValueError, "timeout: expected a duration of zero or more, got -3"),
            ({"timeout": True}, TypeError, "timeout: expected a timedelta or a number of seconds, got True"),
            ({"timeout": float("nan")}, ValueError, "timeout: expected a finite duration, got nan"),
        ],
    )
    def test_an_option_that_makes_no_sense_is_refused(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        scheduler = Scheduler()

        for build in (scheduler.with_schedule, scheduler.add):
            with pytest.raises(error) as caught:
                build("job", EACH_MINUTE, fails, **options)
            assert str(caught.value).startswith(message)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (
                "daily 12:00",
                "schedule: expected a schedule, .* got 'daily 12:00'; schedule.parse reads one from a text",
            ),
            (schedule.Daily, "schedule: expected a schedule, .* got <class "),
            (60, "schedule: expected a schedule, .* got 60"),
            (timedelta(hours=1), "schedule: expected a schedule, .* got datetime.timedelta"),
        ],
    )
    def test_what_is_no_schedule_is_refused(self, given: Any, message: str) -> None:
        with pytest.raises(TypeError, match=message):
            Scheduler().with_schedule("job", given, fails)

    @pytest.mark.parametrize("task", [5, "job", Boom, (_ for _ in ())])
    def test_what_cannot_be_a_task_is_refused(self, task: Any) -> None:
        with pytest.raises(TypeError):
            Scheduler().with_schedule("job", EACH_MINUTE, task)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"max_running": 0}, ValueError, "max_running: expected 1 or more, got 0"),
            ({"max_running": True}, TypeError, "max_running: expected a whole number, got True"),
            ({"max_running": 1.5}, TypeError, "max_running: expected a whole number, got 1.5"),
            ({"max_attempts": 0}, ValueError, "max_attempts: expected 1 or more, got 0"),
            ({"history": -1}, ValueError, "history: expected 1 or more, got -1"),
            ({"lease": 0}, ValueError, "lease: expected a duration of more than zero, got 0"),
            ({"lease": "15"}, TypeError, "lease: expected a timedelta or a number of seconds, got '15'"),
            (
                {"lease": 8.9},
                ValueError,
                (
                    "lease: expected at least 3 times the 3 s that a call to the store may take, got 8.9 s; "
                    "give the store a smaller call_limit"
                ),
            ),
            ({"name": ""}, ValueError, "name: expected 1 to 255 characters without NUL or lone surrogates, got ''"),
            ({"name": 5}, TypeError, "name: expected a string, got 5"),
            ({"lease": 1e15}, ValueError, "lease: expected a day (86400 s) at most, got 1000000000000000.0"),
            ({"lease": 86_400.1}, ValueError, "lease: expected a day (86400 s) at most, got 86400.1"),
            ({"version": 5}, TypeError, "version: expected a string, got 5"),
            ({"version": None}, TypeError, "version: expected a string, got None"),
            (
                {"version": "1\0"},
                ValueError,
                "version: expected 1 to 255 characters without NUL or lone surrogates, got '1\\x00'",
            ),
        ],
    )
    def test_a_setting_that_makes_no_sense_is_refused(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error) as caught:
            Scheduler(**options)
        assert str(caught.value) == message

    def test_a_lease_may_last_a_day(self) -> None:
        assert Scheduler(lease=timedelta(days=1)).name == "scheduler"

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"store": "oracle://host"}, ValueError, "store: expected one of memory: (nothing to install), sqlite:"),
            ({"store": "tasker.db"}, ValueError, "store: expected one of memory: (nothing to install), sqlite:"),
            ({"store": 5}, TypeError, "store: expected a store or the URL of one, got 5"),
            ({"store": memory.Repository()}, TypeError, "store: expected a store or the URL of one, got <tasker.store"),
            (
                {"locker_factory": memory.LockerFactory()},
                TypeError,
                "locker_factory and repository go together: give both, or neither",
            ),
            (
                {"repository": memory.Repository()},
                TypeError,
                "locker_factory and repository go together: give both, or neither",
            ),
            (
                {"store": "memory:", "locker_factory": memory.LockerFactory(), "repository": memory.Repository()},
                TypeError,
                "expected either a store, or a locker_factory and a repository, got all of them",
            ),
            (
                {"locker_factory": memory.Repository(), "repository": memory.LockerFactory()},
                TypeError,
                "locker_factory: expected an object with locker_for(key), got <tasker.store.memory.Repository",
            ),
            (
                {"locker_factory": memory.LockerFactory(), "repository": 5},
                TypeError,
                "repository: expected an object with find_by_id(id) and more, got 5",
            ),
            (
                {"locker_factory": memory.LockerFactory(), "repository": memory.Repository(), "namespace": "app"},
                ValueError,
                "namespace: give it to the locker factory and the repository when you make them",
            ),
            (
                {"store": memory.Store(), "namespace": "app"},
                ValueError,
                "namespace: give it to the store itself when you make one",
            ),
        ],
    )
    def test_a_store_that_is_none_is_refused(
        self, arguments: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error) as caught:
            Scheduler(**arguments)
        assert str(caught.value).startswith(message)

    def test_building_does_no_io_and_starts_no_thread(self, way: Way) -> None:
        before = threading.active_count()

        scheduler = scheduler_on(way)
        scheduler.add("added", EACH_MINUTE, fails)
        scheduler.with_schedule("job", EACH_MINUTE, fails)

        assert threading.active_count() <= before  # of other tests, some may just end
        assert way.calls == []


class TestClosing:
    def test_a_store_that_was_given_stays_open(self, way: Way, journal: Journal) -> None:
        run_for(70, scheduler_on(way).with_schedule("job", EACH_MINUTE, journal.noting()))

        assert way.called("close") == []

    def test_a_store_that_was_opened_here_is_closed_when_nothing_runs_any_more(
        self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed: list[float] = []
        monkeypatch.setattr(memory.Store, "close", lambda self: closed.append(clock.elapsed))
        scheduler = Scheduler("memory:")
        scheduler.add("job", EACH_MINUTE, fails)

        run_for(70, scheduler)
        run_for(70, scheduler)

        assert closed == [70, 140]

    def test_a_store_that_cannot_be_closed_is_logged(
        self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(self: memory.Store) -> None:
            raise OSError("busy")

        monkeypatch.setattr(memory.Store, "close", fail)

        for _ in range(2):
            run_for(10, Scheduler("memory:", name="me").with_schedule("job", EACH_MINUTE, until_the_end))

        clock.settle()
        assert caplog.messages == ["the store of me could not be closed"] * 2


def test_a_locker_factory_and_a_repository_of_the_stores_can_be_typed() -> None:
    factory: LockerFactory = memory.LockerFactory()

    assert Scheduler(locker_factory=factory, repository=memory.Repository()).name == "scheduler"
