"""Frozen dataclasses, made at the cost of others.

A frozen dataclass sets each field through `object.__setattr__`, which takes a record of fourteen fields 2 to 3 µs, and
every run makes several. A twin that is not frozen, given the class when it is full, takes a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def maker_of(kind: Callable[P, T]) -> Callable[P, T]:
    """Return what makes values of a frozen dataclass with slots; every field must be given.

    It is compiled for the class, as `dataclasses` does it too: handing any arguments on costs more than setting them.
    """
    names = [field.name for field in fields(cast("Any", kind))]
    twin = type("_Thawed", (), {"__slots__": names})
    lines = [f"value.{name} = {name}" for name in names]
    body = "\n    ".join(["value = new(twin)", *lines, "value.__class__ = frozen", "return value"])
    found: dict[str, Any] = {"new": object.__new__, "twin": twin, "frozen": kind}
    exec(f"def make({', '.join(names)}):\n    {body}", found)  # noqa: S102 - of names that are in the code
    return cast("Callable[P, T]", found["make"])
