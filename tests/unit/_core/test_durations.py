from __future__ import annotations

from datetime import timedelta
from math import inf, nan

import pytest

from tasker._core.durations import Duration, seconds_of


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(timedelta(minutes=1, milliseconds=500), 60.5), (5, 5.0), (0.25, 0.25), (0, 0.0), (timedelta(0), 0.0)],
)
def test_a_duration_is_a_timedelta_or_seconds(duration: Duration, seconds: float) -> None:
    assert seconds_of(duration, "timeout") == seconds


@pytest.mark.parametrize("given", [True, "5s", None, 5j, [1]])
def test_anything_else_is_a_type_error_that_names_the_argument(given: object) -> None:
    with pytest.raises(TypeError, match=r"^timeout: expected a timedelta or a number of seconds, got "):
        seconds_of(given, "timeout")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [-1, -0.001, timedelta(seconds=-1)])
def test_a_negative_duration_is_a_value_error(given: Duration) -> None:
    with pytest.raises(ValueError, match=r"^grace: expected a duration of zero or more, got "):
        seconds_of(given, "grace")


@pytest.mark.parametrize("given", [nan, inf, -inf])
def test_a_duration_is_finite(given: float) -> None:
    with pytest.raises(ValueError, match=r"^grace: expected a finite duration, got "):
        seconds_of(given, "grace")


def test_zero_can_be_refused() -> None:
    with pytest.raises(ValueError, match=r"^interval: expected a duration of more than zero, got 0$"):
        seconds_of(0, "interval", positive=True)
