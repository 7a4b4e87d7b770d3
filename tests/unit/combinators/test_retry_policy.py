from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from tasker import Backoff, LeaseLost, Retry
from tasker.combinators._retry_policy import Again, GiveUp, Tries

STEADY = Backoff(initial=2, factor=2, maximum=16, jitter=0)


class Known(Exception):
    pass


class Other(Exception):
    pass


def failures(policy: Retry, *instants: float, lasted: float = 0) -> list[float | str]:
    """Return what is decided about failures at some instants: the seconds to wait, or the note."""
    tries = Tries(policy, "poll")
    decisions = [tries.decide(Known(), at, lasted, inf) for at in instants]
    return [each.seconds if isinstance(each, Again) else each.note for each in decisions]


# --- how often ---


def test_the_attempts_count_all_runs() -> None:
    policy = Retry(attempts=3, backoff=STEADY)

    assert failures(policy, 0, 2, 6) == [2, 4, "with_retry: 'poll' was given up after 3 runs"]


def test_one_attempt_is_no_retry() -> None:
    assert failures(Retry(attempts=1), 0) == ["with_retry: 'poll' was given up after 1 run"]


def test_without_a_window_it_does_not_matter_how_long_ago_the_others_failed() -> None:
    policy = Retry(attempts=2, backoff=STEADY)

    assert failures(policy, 0, 10**9)[-1] == "with_retry: 'poll' was given up after 2 runs"


def test_without_limit_it_is_never_given_up() -> None:
    policy = Retry(attempts=None, backoff=STEADY)

    assert failures(policy, *range(2_000))[-1] == 16


def test_within_a_window_only_what_failed_lately_counts() -> None:
    policy = Retry(attempts=3, within=60, backoff=STEADY)

    # Of each three in a row, the first is more than 60 s before the last.
    assert failures(policy, 0, 50, 61, 112) == [2, 4, 8, 16]


def test_within_a_window_it_is_given_up_at_the_failure_that_makes_the_attempts() -> None:
    policy = Retry(attempts=3, within=60, backoff=STEADY)

    assert failures(policy, 0, 100, 130, 155)[-1] == (
        "with_retry: 'poll' was given up after 4 runs: 3 failed within 60 s"
    )


@pytest.mark.parametrize(("at", "is_given_up"), [(60.0, True), (60.1, False)])
def test_a_failure_exactly_the_window_ago_still_counts(at: float, *, is_given_up: bool) -> None:
    policy = Retry(attempts=2, within=timedelta(minutes=1), backoff=STEADY)

    assert isinstance(failures(policy, 0, at)[-1], str) is is_given_up


def test_erlangs_default_of_one_restart_in_five_seconds() -> None:
    policy = Retry(attempts=2, within=5, backoff=Backoff(initial=0))

    assert failures(policy, 0, 6, 10) == [0, 0, "with_retry: 'poll' was given up after 3 runs: 2 failed within 5 s"]


# --- how long ---


def test_the_waits_grow_with_the_failures_in_a_row() -> None:
    assert failures(Retry(attempts=None, backoff=STEADY), 0, 1, 2, 3, 4) == [2, 4, 8, 16, 16]


def test_the_waits_grow_beyond_what_the_window_holds() -> None:
    # Else a wait longer than the window would be followed by the shortest one.
    policy = Retry(attempts=3, within=10, backoff=STEADY)

    assert failures(policy, 0, 11, 22, 33, 44) == [2, 4, 8, 16, 16]


@pytest.mark.parametrize(("lasted", "waits"), [(9.9, [2, 4, 8]), (10, [2, 2, 2])])
def test_a_healthy_run_begins_the_waits_anew(lasted: float, waits: list[float]) -> None:
    policy = Retry(attempts=None, backoff=Backoff(initial=2, jitter=0, reset_after=10))

    assert failures(policy, 0, 100, 200, lasted=lasted) == waits


def test_a_healthy_run_begins_the_count_anew() -> None:
    policy = Retry(attempts=2, backoff=Backoff(initial=2, jitter=0, reset_after=10))

    assert failures(policy, 10, 20, 30, 40, lasted=10) == [2, 2, 2, 2]


def test_a_healthy_run_begins_the_count_anew_in_a_longer_window_too() -> None:
    policy = Retry(attempts=2, within=3600, backoff=Backoff(initial=2, jitter=0, reset_after=10))

    assert failures(policy, 10, 20, 30, lasted=10) == [2, 2, 2]


@pytest.mark.parametrize(("lasted", "last"), [(59, 8), (60, 2)])
def test_a_run_as_long_as_the_window_counts_as_healthy_if_nothing_else_is_said(lasted: float, last: float) -> None:
    policy = Retry(attempts=3, within=60, backoff=STEADY)

    assert failures(policy, 100, 200, 300, lasted=lasted)[-1] == last


def test_without_a_window_no_run_is_healthy_if_nothing_else_is_said() -> None:
    policy = Retry(attempts=None, backoff=STEADY)

    assert failures(policy, 0, 10**6, lasted=10**6) == [2, 4]


# --- how long its context has ---


@pytest.mark.parametrize("remaining", [1.9, 2.0])
def test_a_wait_as_long_as_what_is_left_is_not_waited_for(remaining: float) -> None:
    decision = Tries(Retry(backoff=STEADY), "poll").decide(Known(), 0, 0, remaining)

    assert decision == GiveUp(
        "with_retry: 'poll' was given up after 1 run: its context ends before the next, which is due in 2 s"
    )


def test_a_wait_shorter_than_what_is_left_is_waited_for() -> None:
    assert isinstance(Tries(Retry(backoff=STEADY), "poll").decide(Known(), 0, 0, 2.1), Again)


def test_under_an_ended_context_it_is_not_run_again() -> None:
    decision = Tries(Retry(backoff=Backoff(initial=0)), "poll").decide(Known(), 0, 0, 0)

    assert decision == GiveUp("with_retry: 'poll' was given up after 1 run: its context has ended")


# --- which errors ---


@pytest.mark.parametrize(
    ("on", "error", "is_covered"),
    [
        (Exception, Other(), True),
        (Known, Known(), True),
        (Known, Other(), False),
        ((Known, OSError), TimeoutError(), True),
        ((Known, OSError), Other(), False),
        (lambda error: "busy" in str(error), Other("busy"), True),
        (lambda error: "busy" in str(error), Other("gone"), False),
        # A group matches types if every error in it does.
        (Known, ExceptionGroup("", [Known(), Known()]), True),
        (Known, ExceptionGroup("", [Known(), Other()]), False),
        ((Known, Other), ExceptionGroup("", [Known(), ExceptionGroup("", [Other()])]), True),
        (ExceptionGroup, ExceptionGroup("", [Other()]), True),
        (ExceptionGroup, Other(), False),
        # A function gets it as it is.
        (lambda error: isinstance(error, ExceptionGroup), ExceptionGroup("", [Known()]), True),
        # Whatever the policy says.
        (Exception, LeaseLost(), False),
        (Exception, ExceptionGroup("", [Known(), ExceptionGroup("", [LeaseLost()])]), False),
        (lambda error: True, LeaseLost(), False),
    ],
)
def test_an_error_is_covered_by_its_type_or_by_what_a_function_says(
    on: Any, error: Exception, *, is_covered: bool
) -> None:
    assert Retry(on=on).covers(error) is is_covered


def test_an_error_that_is_not_covered_is_given_up_at_once_and_needs_no_note() -> None:
    assert Tries(Retry(on=Known), "poll").decide(Other(), 0, 0, inf) == GiveUp("")


def test_an_error_that_is_not_covered_is_noted_when_others_came_before() -> None:
    tries = Tries(Retry(on=Known), "poll")
    tries.decide(Known(), 0, 0, inf)

    assert tries.decide(Other(), 1, 0, inf) == GiveUp(
        "with_retry: 'poll' was given up after 2 runs: an error like this is not retried"
    )


# --- what people read ---


@pytest.mark.parametrize(
    ("policy", "counted"),
    [
        (Retry(attempts=5), "run 2 of 5"),
        (Retry(attempts=None), "run 2"),
        (Retry(attempts=5, within=60), "failure 2 of 5 within 60 s"),
    ],
)
def test_a_failure_is_counted_for_people(policy: Retry, counted: str) -> None:
    tries = Tries(policy, "poll")
    tries.decide(Known(), 0, 0, inf)

    decision = tries.decide(Known(), 1, 0, inf)

    assert isinstance(decision, Again)
    assert decision.counted == counted


# --- arguments ---


async def async_predicate(error: Exception) -> bool:
    return True


def two(error: Exception, other: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"attempts": 0}, ValueError, "attempts: expected 1 or more, since the first run counts, got 0"),
        ({"attempts": -3}, ValueError, "attempts: expected 1 or more, since the first run counts, got -3"),
        ({"attempts": True}, TypeError, "attempts: expected a whole number, or None for no limit, got True"),
        ({"attempts": 2.0}, TypeError, "attempts: expected a whole number, or None for no limit, got 2.0"),
        ({"attempts": inf}, TypeError, "attempts: expected a whole number, or None for no limit, got inf"),
        ({"within": 0}, ValueError, "within: expected a duration of more than zero, got 0"),
        ({"within": -1}, ValueError, "within: expected a duration of zero or more, got -1"),
        ({"within": float("nan")}, ValueError, "within: expected a finite duration, got nan"),
        ({"within": True}, TypeError, "within: expected a timedelta or a number of seconds, got True"),
        (
            {"within": 60, "attempts": None},
            ValueError,
            "within: expected a number of attempts with it, got attempts=None, which has no limit",
        ),
        ({"backoff": 5}, TypeError, "backoff: expected a Backoff, as in Backoff(initial=1), got 5"),
        (
            {"on": BaseException},
            TypeError,
            "on: expected classes derived from Exception, got <class 'BaseException'>; all else is never retried",
        ),
        (
            {"on": (ValueError, KeyboardInterrupt)},
            TypeError,
            "on: expected classes derived from Exception, got <class 'KeyboardInterrupt'>; all else is never retried",
        ),
        ({"on": int}, TypeError, "on: expected classes derived from Exception, got <class 'int'>;"),
        ({"on": ()}, ValueError, "on: expected at least one class of exceptions, got an empty tuple"),
        ({"on": LeaseLost}, TypeError, "on: LeaseLost is never retried, since what it protected may belong to another"),
        ({"on": "ValueError"}, TypeError, "on: expected a class of exceptions, several in a tuple, or a function, got"),
        ({"on": two}, TypeError, "on: expected a function of one argument, the error, got <function two"),
        ({"on": lambda: True}, TypeError, "on: expected a function of one argument, the error, got <function"),
        ({"on": async_predicate}, TypeError, "on: expected a plain function of the error, got the async <function"),
        (
            {"on": functools.partial(async_predicate)},
            TypeError,
            "on: expected a plain function of the error, got the async functools.partial",
        ),
    ],
)
def test_bad_arguments_are_refused_in_words(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Retry(**arguments)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("on", [max, str.isdigit, functools.partial(two, other=1)])
def test_whatever_can_be_called_with_an_error_is_a_function_of_it(on: Callable[[Exception], bool]) -> None:
    assert Retry(on=on).on is on


def test_a_window_is_kept_in_seconds() -> None:
    assert Retry(within=timedelta(minutes=2)).within == 120


def test_policies_compare_and_hash_by_value() -> None:
    assert Retry() == Retry(backoff=Backoff())
    assert len({Retry(), Retry(), Retry(attempts=6)}) == 2
