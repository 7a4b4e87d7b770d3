from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from tasker import Backoff


def longest(backoff: Backoff, number: int) -> list[float]:
    return [backoff.longest(failures) for failures in range(1, number + 1)]


def test_the_longest_waits_grow_exponentially_up_to_the_maximum() -> None:
    assert longest(Backoff(initial=0.5, factor=2, maximum=5), 6) == [0.5, 1, 2, 4, 5, 5]


def test_a_factor_of_one_waits_the_same_each_time() -> None:
    assert longest(Backoff(initial=3, factor=1), 4) == [3, 3, 3, 3]


def test_without_jitter_the_wait_is_the_longest() -> None:
    backoff = Backoff(initial=0.5, jitter=0)

    assert [backoff.wait(failures) for failures in (1, 2, 3)] == [0.5, 1, 2]


@pytest.mark.parametrize(("drawn", "wait"), [(0.0, 8), (0.25, 6), (0.75, 2)])
def test_full_jitter_is_the_default_and_takes_any_part_of_the_wait(
    drawn: float, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: drawn)

    assert Backoff(initial=8).wait(1) == wait


@pytest.mark.parametrize(("drawn", "wait"), [(0.0, 8), (0.5, 6), (0.75, 5)])
def test_half_a_jitter_leaves_at_least_half_of_the_wait(
    drawn: float, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: drawn)

    assert Backoff(initial=8, jitter=0.5).wait(1) == wait


@pytest.mark.parametrize("failures", [1_000, 1_025, 10**6])
def test_powers_that_no_float_can_hold_are_the_maximum(failures: int) -> None:
    assert Backoff(initial=0.1, factor=10, maximum=30).longest(failures) == 30


@pytest.mark.parametrize("failures", [1, 2, 10**6])
def test_an_initial_wait_of_zero_means_no_wait_at_all(failures: int) -> None:
    assert Backoff(initial=0, factor=10).wait(failures) == 0


def test_durations_are_kept_in_seconds_and_compare_as_such() -> None:
    backoff = Backoff(
        initial=timedelta(seconds=1), maximum=timedelta(minutes=1), reset_after=timedelta(minutes=10), factor=3
    )

    assert backoff == Backoff(initial=1, maximum=60, reset_after=600, factor=3.0)
    assert (backoff.initial, backoff.maximum, backoff.reset_after) == (1.0, 60.0, 600.0)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Backoff().initial = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"initial": -1}, ValueError, "initial: expected a duration of zero or more, got -1"),
        ({"initial": float("nan")}, ValueError, "initial: expected a finite duration, got nan"),
        ({"initial": True}, TypeError, "initial: expected a timedelta or a number of seconds, got True"),
        ({"initial": "1 s"}, TypeError, "initial: expected a timedelta or a number of seconds, got '1 s'"),
        ({"maximum": float("inf")}, ValueError, "maximum: expected a finite duration, got inf"),
        (
            {"initial": 10, "maximum": 5},
            ValueError,
            "maximum: expected at least the initial wait of 10 s, got 5 s",
        ),
        ({"factor": 0.5}, ValueError, "factor: expected 1 or more, got 0.5"),
        ({"factor": float("nan")}, ValueError, "factor: expected 1 or more, got nan"),
        ({"factor": float("inf")}, ValueError, "factor: expected 1 or more, got inf"),
        ({"factor": True}, TypeError, "factor: expected a number, got True"),
        ({"factor": "2"}, TypeError, "factor: expected a number, got '2'"),
        ({"jitter": -0.1}, ValueError, "jitter: expected a number from 0 to 1, got -0.1"),
        ({"jitter": 1.5}, ValueError, "jitter: expected a number from 0 to 1, got 1.5"),
        ({"jitter": False}, TypeError, "jitter: expected a number, got False"),
        ({"reset_after": 0}, ValueError, "reset_after: expected a duration of more than zero, got 0"),
        ({"reset_after": True}, TypeError, "reset_after: expected a timedelta or a number of seconds, got True"),
    ],
)
def test_bad_arguments_are_refused_in_words(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        Backoff(**arguments)

    assert str(caught.value) == message
