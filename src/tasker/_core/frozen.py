"""Frozen dataclasses, made at the cost of others.

A frozen dataclass sets each field through `object.__setattr__`, which takes a record of fourteen fields 2 to 3 µs, and
every run makes several. A twin that is not frozen, given the class when it is full, takes a third of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def twin_of(kind: Any) -> Callable[..., Any]:  # noqa: ANN401 - any dataclass
    """Return a class with the fields of a frozen dataclass with slots that is not frozen, and has no defaults."""
    return make_dataclass("_Thawed", [field.name for field in fields(kind)], slots=True)


def maker_of(kind: Callable[P, T]) -> Callable[P, T]:
    """Return what makes values of a frozen dataclass with slots; every field must be given."""
    twin: Callable[P, T] = twin_of(kind)
    frozen: Any = kind

    def make(*facts: P.args, **named: P.kwargs) -> T:
        value = twin(*facts, **named)
        value.__class__ = frozen
        return value

    return make
