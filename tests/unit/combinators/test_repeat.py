from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest

from tasker import Context, DeadlineExceeded, run, schedule, sequence, with_repeat, with_timeout
from tasker.schedule import Schedule
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended, noting
from tests._support.zones import ChangingZone

EVERY_FIVE = schedule.Interval(seconds=5)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Slots:
    """A schedule with a slot every `seconds`, counted from 1970, up to the last one."""

    def __init__(self, seconds: float, last: datetime | None = None) -> None:
        self._step = timedelta(seconds=seconds)
        self._last = last

    def next_after(self, instant: datetime) -> datetime | None:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        slot = epoch + ((instant - epoch) // self._step + 1) * self._step
        return slot if self._last is None or slot <= self._last else None


def times_of(
    clock: VirtualClock, rule: Schedule, seconds: float, work: Callable[[], object] = lambda: None
) -> list[float]:
    """Return when the runs of a repeated task began, in seconds."""
    times: list[float] = []

    def task(ctx: Context) -> None:
        times.append(clock.elapsed)
        work()

    run(with_repeat(rule, task), Context.background().with_timeout(seconds))
    return times


def test_an_interval_runs_at_once_and_then_at_its_distance(clock: VirtualClock) -> None:
    assert times_of(clock, EVERY_FIVE, 17) == [0, 5, 10, 15]


def test_an_interval_counts_from_the_end_of_each_run(clock: VirtualClock) -> None:
    assert times_of(clock, EVERY_FIVE, 20, lambda: Context.background().sleep(2)) == [0, 7, 14]


def test_an_interval_with_an_anchor_waits_for_its_first_slot(clock: VirtualClock) -> None:
    anchored = schedule.Interval(seconds=10, anchor=START + timedelta(seconds=3))

    assert times_of(clock, anchored, 30) == [3, 13, 23]


def test_another_schedule_waits_for_its_first_slot(clock: VirtualClock) -> None:
    assert times_of(clock, Slots(60), 150) == [60, 120]


def test_slots_that_pass_during_a_run_are_passed_over(clock: VirtualClock) -> None:
    assert times_of(clock, Slots(60), 400, lambda: Context.background().sleep(90)) == [60, 180, 300]


def test_a_schedule_that_has_no_more_slots_ends_it(clock: VirtualClock) -> None:
    assert times_of(clock, Slots(60, last=START + timedelta(seconds=120)), 3600) == [60, 120]


def test_a_daily_schedule_runs_every_day(clock: VirtualClock) -> None:
    daily = schedule.Daily(hour=3, tz=UTC)

    assert times_of(clock, daily, 36 * 3_600) == [10_800, 97_200]


def test_it_returns_normally_when_the_context_ends(clock: VirtualClock) -> None:
    run(with_repeat(EVERY_FIVE, lambda: None), Context.background().with_timeout(60))

    assert clock.elapsed == 60


def test_it_returns_normally_when_the_context_ends_during_a_run(clock: VirtualClock) -> None:
    run(with_repeat(EVERY_FIVE, lambda ctx: ctx.sleep(3600)), Context.background().with_timeout(60))

    assert clock.elapsed == 60


@pytest.mark.parametrize("rule", [EVERY_FIVE, Slots(60)])
def test_under_an_ended_context_it_returns_and_starts_nothing(rule: Schedule) -> None:
    log: list[str] = []

    run(with_repeat(rule, noting(log, "started")), ended())

    assert log == []


@pytest.mark.parametrize("rule", [EVERY_FIVE, Slots(5)])
def test_an_error_ends_it_and_is_raised(rule: Schedule, clock: VirtualClock) -> None:
    runs: list[float] = []

    def fails_at_the_third(ctx: Context) -> None:
        runs.append(clock.elapsed)
        if len(runs) == 3:
            raise Boom

    with pytest.raises(Boom):
        run(with_repeat(rule, fails_at_the_third))

    assert len(runs) == 3


def test_an_error_after_the_context_has_ended_is_raised(clock: VirtualClock) -> None:
    def fails_at_the_end(ctx: Context) -> None:
        ctx.wait()
        raise Boom

    with pytest.raises(Boom):
        run(with_repeat(EVERY_FIVE, fails_at_the_end), Context.background().with_timeout(60))


def test_an_error_of_the_schedule_is_raised(clock: VirtualClock) -> None:
    class Broken:
        def next_after(self, instant: datetime) -> datetime | None:
            raise Boom

    with pytest.raises(Boom):
        run(with_repeat(Broken(), lambda: None))


def test_never_two_run_at_once(clock: VirtualClock) -> None:
    lock = threading.Lock()

    def alone() -> None:
        assert lock.acquire(blocking=False)
        Context.background().sleep(7)
        lock.release()

    assert len(times_of(clock, Slots(1), 60, alone)) == 8


def test_an_async_task_is_repeated(clock: VirtualClock) -> None:
    times: list[float] = []

    async def work() -> None:
        times.append(clock.elapsed)
        await asyncio.sleep(1)

    run(with_repeat(EVERY_FIVE, work), Context.background().with_timeout(20))

    assert times == [0, 6, 12, 18]


def test_a_cancellation_of_its_own_in_the_task_is_a_failure(clock: VirtualClock) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="although its context has not ended"):
        run(with_repeat(EVERY_FIVE, work))


def test_a_timeout_of_one_run_is_its_failure(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded):
        run(with_repeat(EVERY_FIVE, with_timeout(2, lambda ctx: ctx.wait())))


# --- the wall clock jumps ---


class Jumping:
    """Runs a repeated task in a thread, and holds the time in its own hands."""

    def __init__(self, clock: VirtualClock, rule: Schedule) -> None:
        self._clock = clock
        self._ctx = Context.background().with_cancel()
        self.slots: list[str] = []
        self._thread = threading.Thread(target=lambda: run(with_repeat(rule, self._note), self._ctx))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ctx.cancel()
        self._thread.join()

    def _note(self) -> None:
        self.slots.append(f"{self._clock.now():%H:%M:%S}")


def test_a_wall_clock_that_is_set_forward_past_a_slot_runs_it_within_a_minute(clock: VirtualClock) -> None:
    with Jumping(clock, Slots(3600)) as repeated:
        clock.advance(600)
        clock.jump(3600)
        clock.advance(60)

    assert repeated.slots == ["01:11:00"]


def test_a_wall_clock_that_is_set_back_runs_no_slot_twice(clock: VirtualClock) -> None:
    with Jumping(clock, Slots(3600)) as repeated:
        clock.advance(3600)
        clock.jump(-1800)
        clock.advance(3600)

    assert repeated.slots == ["01:00:00"]


def test_a_wall_clock_that_is_set_back_during_a_run_runs_no_slot_twice(clock: VirtualClock) -> None:
    back = iter([-1800])

    times = times_of(clock, Slots(3600), 10_000, lambda: clock.jump(next(back, 0)))

    assert times == [3600, 9000]


def test_a_wall_clock_that_is_set_back_goes_on_with_the_next_slot(clock: VirtualClock) -> None:
    with Jumping(clock, Slots(3600)) as repeated:
        clock.advance(3600)
        clock.jump(-1800)
        clock.advance(5400)

    assert repeated.slots == ["01:00:00", "02:00:00"]


def test_a_wall_clock_that_is_set_back_while_it_waits_delays_the_slot(clock: VirtualClock) -> None:
    with Jumping(clock, Slots(3600)) as repeated:
        clock.advance(3540)
        clock.jump(-600)
        clock.advance(600)
        before = list(repeated.slots)
        clock.advance(60)

    assert (before, repeated.slots) == ([], ["01:00:00"])


def test_a_machine_that_slept_for_a_day_runs_the_slot_that_it_missed_once_within_a_minute(clock: VirtualClock) -> None:
    with Jumping(clock, Slots(3600)) as repeated:
        clock.advance(600)
        clock.suspend(86_400)
        clock.advance(60)
        before = list(repeated.slots)
        clock.advance(3600)

    assert before == ["00:11:00"]
    assert repeated.slots == ["00:11:00", "01:00:00"]


def test_an_interval_goes_on_where_it_was_when_the_machine_fell_asleep(clock: VirtualClock) -> None:
    with Jumping(clock, schedule.Interval(seconds=600)) as repeated:
        clock.advance(500)
        clock.suspend(86_400)
        clock.advance(99)
        before = len(repeated.slots)
        clock.advance(1)

    assert (before, len(repeated.slots)) == (1, 2)


def test_a_zone_whose_rules_change_moves_the_slots_that_are_still_to_come(clock: VirtualClock) -> None:
    zone = ChangingZone(hours=0)
    with Jumping(clock, schedule.Daily(hour=12, tz=zone)) as repeated:
        clock.advance(11 * 3600)
        zone.hours = 4  # noon was at 08:00, as everybody knows now
        clock.advance(24 * 3600)

    # What was awaited is run; what has become a slot of the past is not made up for.
    assert repeated.slots == ["12:00:00", "08:00:00"]


def test_an_interval_does_not_notice_the_wall_clock(clock: VirtualClock) -> None:
    with Jumping(clock, schedule.Interval(seconds=600)) as repeated:
        clock.settle()
        clock.jump(86_400 * 7)
        clock.advance(599)
        before = len(repeated.slots)
        clock.advance(1)

    assert (before, len(repeated.slots)) == (1, 2)


# --- arguments ---


@pytest.mark.parametrize("given", ["every 5m", 5, None, schedule.Interval])
def test_what_is_no_schedule_is_refused_when_it_is_built(given: object) -> None:
    with pytest.raises(TypeError, match=r"^schedule: expected a schedule, an object with next_after\(instant\), got "):
        with_repeat(given, lambda: None)  # type: ignore[call-overload]


def test_a_class_of_schedules_is_told_to_make_one() -> None:
    with pytest.raises(TypeError, match=r"; make one of this class, as in Daily\(\.\.\.\)$"):
        with_repeat(schedule.Daily, lambda: None)  # type: ignore[call-overload]


def test_it_decorates(clock: VirtualClock) -> None:
    log: list[str] = []

    @with_repeat(EVERY_FIVE)
    def work() -> None:
        log.append("ran")

    run(sequence(work), Context.background().with_timeout(6))

    assert log == ["ran", "ran"]
