from __future__ import annotations

import pytest

from tasker import Context
from tasker.combinators import _budget
from tasker.combinators._budget import Budget, grace_within, rest_of
from tasker.testing import VirtualClock

BACKGROUND = Context.background()


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long all had been asked to stop, for each report of what had not."""
    found: list[float] = []
    monkeypatch.setattr(_budget, "report_and_exit", lambda find, grace, asked_for: found.append(asked_for))
    return found


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


def test_a_closed_budget_ends_no_program_that_goes_on(clock: VirtualClock, reports: list[float]) -> None:
    budget = Budget(10)

    budget.begin()
    budget.close()
    clock.advance(60)

    assert reports == []


def test_a_closed_budget_does_not_begin(clock: VirtualClock) -> None:
    budget = Budget(10)

    budget.close()
    budget.begin()
    clock.advance(4)

    assert budget.rest() == 10


def test_a_budget_that_is_closed_in_the_last_moment_ends_no_process(reports: list[float]) -> None:
    budget = Budget(10)
    budget.close()

    budget._end_process()

    assert reports == []


def test_when_it_is_over_it_reports_since_when_all_was_asked_to_stop(clock: VirtualClock, reports: list[float]) -> None:
    budget = Budget(10)

    clock.advance(60)
    budget.begin()
    clock.advance(10)

    assert reports == [10]


def test_after_the_end_of_the_main_thread_it_goes_on_for_the_exit(
    clock: VirtualClock, reports: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(10)

    budget.begin()
    clock.advance(4)
    budget.close()
    monkeypatch.setattr(_budget, "is_exiting", lambda: True)
    clock.advance(6)

    assert reports == [10]


def test_only_the_exit_after_the_last_main_is_timed(
    clock: VirtualClock, reports: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Budget(10), Budget(10)

    for budget in (first, second):
        budget.begin()
        budget.close()
        clock.advance(5)
    monkeypatch.setattr(_budget, "is_exiting", lambda: True)
    clock.advance(60)

    assert len(reports) == 1


@pytest.mark.parametrize(("own", "given"), [(25, 9.0), (9.1, 9.0), (5, 5)])
def test_a_grace_is_the_smaller_of_its_own_and_the_budget_less_a_tenth(own: float, given: float) -> None:
    assert grace_within(Budget(10).under(BACKGROUND), own) == given


def test_without_a_budget_a_grace_is_its_own() -> None:
    assert grace_within(BACKGROUND, 25) == 25


def test_the_rest_is_that_of_the_budget() -> None:
    assert (rest_of(Budget(10).under(BACKGROUND), 1), rest_of(BACKGROUND, 1)) == (10, 1)
