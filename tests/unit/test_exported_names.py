from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import tasker


def test_all_names_exactly_what_the_package_shows() -> None:
    # A submodule that something imported is an attribute too; it is exported only if `__all__` says so.
    shown = {
        name
        for name, value in vars(tasker).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, ModuleType)
    }
    modules = {name for name in tasker.__all__ if isinstance(getattr(tasker, name), ModuleType)}

    assert set(tasker.__all__) - {"__version__"} == shown | modules


def test_all_names_nothing_twice() -> None:
    assert len(tasker.__all__) == len(set(tasker.__all__))


@pytest.mark.parametrize("name", tasker.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    value = getattr(tasker, name)

    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)
