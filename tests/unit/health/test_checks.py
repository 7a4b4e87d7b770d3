from __future__ import annotations

import pytest

from tasker import Context, run, to_task
from tasker.combinators._lifecycle import Lifecycle
from tasker.health._checks import Checks
from tasker.health._schedules import Schedules
from tests._support.tasks import ended

BACKGROUND = Context.background()
NO_SCHEDULES = Schedules([], 60)


class Watch:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def blocked_for(self) -> float:
        return self._seconds


def web() -> None: ...


def test_it_is_not_ready_before_every_task_has_started() -> None:
    task = to_task(web)
    checks = Checks(BACKGROUND, Lifecycle([task]), NO_SCHEDULES, 30)

    before = checks.against_being_ready()
    run(task)

    assert before == ["'web' has not started yet"]
    assert checks.against_being_ready() == []


def test_it_is_not_ready_from_the_first_signal_on() -> None:
    life = Lifecycle([])
    checks = Checks(BACKGROUND, life, NO_SCHEDULES, 30)

    life.stop("received SIGTERM")

    assert checks.against_being_ready() == ["it is stopping: received SIGTERM"]
    assert checks.against_being_alive() == []


@pytest.mark.parametrize(
    ("seconds", "ready", "alive"),
    [
        (0.9, [], []),
        (3.21, ["the event loop has been blocked for 3.2 s"], []),
        (30.6, ["the event loop has been blocked for 30.6 s"], ["the event loop has been blocked for 31 s"]),
    ],
)
def test_a_blocked_loop_is_not_ready_and_in_the_end_not_alive(
    seconds: float, ready: list[str], alive: list[str]
) -> None:
    life = Lifecycle([])
    life.watch = Watch(seconds)
    checks = Checks(BACKGROUND, life, NO_SCHEDULES, 30)

    assert (checks.against_being_ready(), checks.against_being_alive()) == (ready, alive)


def test_a_loop_may_be_blocked_for_ever_if_that_is_wanted() -> None:
    life = Lifecycle([])
    life.watch = Watch(3600)

    assert Checks(BACKGROUND, life, NO_SCHEDULES, None).against_being_alive() == []


@pytest.mark.parametrize(("ctx", "reasons"), [(BACKGROUND, []), (ended(), ["it is stopping"])])
def test_outside_main_it_goes_by_its_context(ctx: Context, reasons: list[str]) -> None:
    checks = Checks(ctx, None, NO_SCHEDULES, 30)

    assert (checks.against_being_ready(), checks.against_being_alive()) == (reasons, [])
