from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import tasker

IMPORTED_WHEN_ASKED_FOR = {"command", "in_process"}


def test_all_names_exactly_what_the_package_shows() -> None:
    # A submodule that something imported is an attribute too; it is exported only if `__all__` says so.
    shown = {
        name
        for name, value in vars(tasker).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, ModuleType)
    }
    shown.remove("TYPE_CHECKING")
    modules = {name for name in tasker.__all__ if isinstance(getattr(tasker, name), ModuleType)}

    assert set(tasker.__all__) - {"__version__"} == shown | modules | IMPORTED_WHEN_ASKED_FOR


def test_what_is_imported_when_it_is_asked_for_is_not_imported_before() -> None:
    program = "import sys, tasker; print('tasker.serve' in sys.modules); tasker.command; tasker.in_process"

    finished = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert finished.stdout == "False\n"


def test_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'tasker' has no attribute 'comand'"):
        getattr(tasker, "comand")  # noqa: B009 - nor do the checkers believe in it


def test_all_names_nothing_twice() -> None:
    assert len(tasker.__all__) == len(set(tasker.__all__))


@pytest.mark.parametrize("name", tasker.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    value = getattr(tasker, name)

    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)
