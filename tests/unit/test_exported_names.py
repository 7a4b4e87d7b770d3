from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tasker


def names_for_checkers() -> dict[str, object]:
    """Return what type checkers see: the imports that only they follow."""
    tree = ast.parse(Path(tasker.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    names = {
        name.name: getattr(import_module(str(node.module)), name.name)
        for node in imports
        for name in node.names
        if node.module != "importlib"
    }
    return {**names, "schedule": import_module("tasker.schedule")}


def test_programs_get_exactly_what_type_checkers_see() -> None:
    assert {name: getattr(tasker, name) for name in tasker.__all__} == names_for_checkers()


def test_importing_the_package_imports_nothing_that_is_not_asked_for() -> None:
    program = "import sys, tasker; print(*(name for name in sys.modules if name.startswith('tasker')))"

    finished = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert finished.stdout == "tasker\n"


def test_a_program_without_a_scheduler_imports_none() -> None:
    program = "import sys, tasker; tasker.main, tasker.sequence, tasker.schedule; print('tasker.ports' in sys.modules)"

    finished = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert finished.stdout == "False\n"


def test_the_package_shows_all_names_before_they_are_imported() -> None:
    program = "import tasker; print(set(tasker.__all__) <= set(dir(tasker)))"

    finished = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert finished.stdout == "True\n"


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
