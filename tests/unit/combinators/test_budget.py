from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

import pytest

from tasker import Context
from tasker._core import clock as clocks
from tasker.combinators import _budget
from tasker.combinators._budget import Budget, grace_within, rest_of
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, in_turn

BACKGROUND = Context.background()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    return statuses


def test_before_it_begins_all_of_it_is_left(clock: VirtualClock) -> None:
    budget = Budget(10)

    clock.advance(60)

    assert budget.rest() == 10


def test_once_begun_it_runs_out(clock: VirtualClock) -> None:
    budget = Budget(10)

    budget.begin()
    clock.advance(4)
    rest = budget.rest()
    budget.close()

    assert rest == 6


def test_only_the_first_beginning_counts(clock: VirtualClock) -> None:
    budget = Budget(10)

    budget.begin()
    clock.advance(4)
    budget.begin()
    rest = budget.rest()
    budget.close()

    assert rest == 6


def test_what_is_left_is_never_negative(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(10)
    monkeypatch.setattr(budget, "_end_process", lambda: None)

    budget.begin()
    clock.advance(60)

    assert budget.rest() == 0


def test_a_closed_budget_ends_no_process(clock: VirtualClock, exits: list[int]) -> None:
    budget = Budget(10)

    budget.begin()
    budget.close()
    clock.advance(60)

    assert exits == []


def test_a_closed_budget_does_not_begin(clock: VirtualClock) -> None:
    budget = Budget(10)

    budget.close()
    budget.begin()
    clock.advance(4)

    assert budget.rest() == 10


def test_a_budget_that_is_closed_in_the_last_moment_ends_no_process(exits: list[int]) -> None:
    budget = Budget(10)
    budget.close()

    budget._end_process()

    assert exits == []


def test_the_end_of_the_process_takes_a_thread_of_its_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names: list[str] = []
    exited = threading.Event()
    note = in_turn(lambda: names.append(threading.current_thread().name), exited.set)
    monkeypatch.setattr(os, "_exit", lambda _: note())
    monkeypatch.setattr(clocks.system(), "call_at", lambda when, callback: None)

    Budget(10)._end_process()

    assert exited.wait(5)
    assert names == ["tasker-exit"]


def test_a_report_that_blocks_gets_one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, Callable[[], object]]] = []
    monkeypatch.setattr(clocks.system(), "monotonic", lambda: 100.0)
    monkeypatch.setattr(clocks.system(), "call_at", lambda when, callback: asked.append((when, callback)))
    budget = Budget(10)
    monkeypatch.setattr(budget, "_report_and_exit", lambda: None)

    budget._end_process()

    assert asked == [(101.0, _budget._exit)]


def test_a_report_that_fails_ends_the_process_too(monkeypatch: pytest.MonkeyPatch, exits: list[int]) -> None:
    def fail(loop: object) -> None:
        raise Boom

    monkeypatch.setattr(_budget, "running_tasks", fail)

    with pytest.raises(Boom):
        Budget(10)._report_and_exit()

    assert exits == [1]


def test_the_report_flushes_what_logging_keeps(exits: list[int]) -> None:
    class Handler(logging.Handler):
        is_flushed = False

        def emit(self, record: logging.LogRecord) -> None: ...

        def flush(self) -> None:
            self.is_flushed = True

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        Budget(10)._report_and_exit()
    finally:
        logging.getLogger().removeHandler(handler)

    assert handler.is_flushed


@pytest.mark.parametrize(("own", "given"), [(25, 9.0), (9.1, 9.0), (5, 5)])
def test_a_grace_is_the_smaller_of_its_own_and_the_budget_less_a_tenth(own: float, given: float) -> None:
    assert grace_within(Budget(10).under(BACKGROUND), own) == given


def test_without_a_budget_a_grace_is_its_own() -> None:
    assert grace_within(BACKGROUND, 25) == 25


def test_the_rest_is_that_of_the_budget() -> None:
    assert (rest_of(Budget(10).under(BACKGROUND), 1), rest_of(BACKGROUND, 1)) == (10, 1)
