from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tasker._core.instants import aware, instant_of, micros_of


def test_an_aware_datetime_passes_as_it_is() -> None:
    instant = datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=2)))

    assert aware(instant, "at") is instant


def test_a_naive_datetime_is_a_value_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"^at: expected an aware datetime, got the naive .*; give it a tzinfo$"):
        aware(datetime(2026, 1, 1), "at")  # noqa: DTZ001 - that is the point


def test_what_is_no_datetime_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^at: expected an aware datetime, got datetime.date"):
        aware(date(2026, 1, 1), "at")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instant", "micros"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))), 1),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000_000),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_microseconds_are_exact_both_ways(instant: datetime, micros: int) -> None:
    assert (micros_of(instant), instant_of(micros)) == (micros, instant)
