"""On a store in its own process, a scheduler that waits sleeps, and hears of what others do at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import tasker
from tasker import Scheduler, schedule
from tasker._core import clock as clocks
from tasker.ports import Local
from tasker.store import memory
from tasker.testing import VirtualClock
from tests._support.instances import Journal, after, run_for, stopped_after

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_MINUTE = schedule.Interval(minutes=1, anchor=START)
DAILY = schedule.Daily(hour=4, tz="UTC")


class Counting(memory.Store):
    """A store that notes when it is asked for something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def _now(self) -> int:
        self.asked.append(clocks.current().boottime())
        return super()._now()


@pytest.fixture
def shared(clock: VirtualClock) -> memory.Store:
    return memory.Store()


def test_a_memory_store_is_local() -> None:
    assert isinstance(memory.Store(), Local)


def test_while_nothing_is_due_it_asks_for_nothing(clock: VirtualClock, journal: Journal) -> None:
    store = Counting()

    run_for(29, Scheduler(store).with_schedule("job", DAILY, journal.noting()))

    assert [when for when in store.asked if 0 < when < 29] == []


def test_what_another_scheduler_asks_for_is_heard_at_once(shared: memory.Store, journal: Journal) -> None:
    operator = Scheduler(shared)

    run_for(
        50,
        Scheduler(shared).with_schedule("job", DAILY, journal.noting()),
        after(10.25, lambda: operator.trigger("job")),
        after(20.5, lambda: operator.drain(operator.instances()[0].name)),
        after(20.75, lambda: operator.trigger("job")),
    )

    assert [each.at for each in journal.started] == [10.25]


def test_a_slot_that_is_given_back_is_taken_at_once(shared: memory.Store, journal: Journal) -> None:
    run_for(
        90,
        stopped_after(70.25, Scheduler(shared).with_schedule("job", EACH_MINUTE, journal.noting("one", seconds=30))),
        tasker.sequence(
            lambda ctx: ctx.sleep(65),
            Scheduler(shared).with_schedule("job", EACH_MINUTE, journal.noting("two", seconds=30)),
        ),
    )

    assert [each.instance for each in journal.started] == ["one", "two"]
    assert journal.started[1].at == pytest.approx(70.25, abs=0.01)


def test_a_scheduler_that_has_ended_does_not_listen_any_more(shared: memory.Store, journal: Journal) -> None:
    run_for(5, Scheduler(shared).with_schedule("job", DAILY, journal.noting()))

    assert shared._listeners == {}
