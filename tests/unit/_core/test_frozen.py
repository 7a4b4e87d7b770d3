"""Frozen values that are made quickly are like all others."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest

from tasker._core.frozen import maker_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0


point = maker_of(Point)


def test_what_is_made_equals_what_the_class_makes() -> None:
    made = point(x=1, y=2)
    assert type(made) is Point
    assert made == Point(x=1, y=2)
    assert hash(made) == hash(Point(x=1, y=2))


def test_what_is_made_is_frozen() -> None:
    made = point(x=1, y=2)
    with pytest.raises(FrozenInstanceError):
        made.x = 3  # type: ignore[misc]


def test_a_field_that_is_left_out_is_refused_although_it_has_a_default() -> None:
    with pytest.raises(TypeError, match="y"):
        point(x=1)
