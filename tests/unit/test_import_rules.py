"""The rules on imports that import-linter cannot say; the others stand in pyproject.toml."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import tasker

PACKAGE = Path(tasker.__file__).parent
WHAT_A_STORE_MAY_IMPORT = ("tasker._core", "tasker.errors", "tasker.lease", "tasker.ports", "tasker.store")


@cache
def imports_of(path: Path) -> list[tuple[str, str]]:
    """Return each imported module with the place of the import; relative imports are ruff's to refuse."""
    found: list[tuple[str, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=str(module)):
                modules = [module]
            case _:
                continue
        where = f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
        found.extend((module, f"{where} imports {module}") for module in modules)
    return found


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_no_module_imports_from_the_package_root() -> None:
    # Only what may do so is parsed, which takes longer than all else: most of it are examples in docstrings.
    may_do_so = re.compile(r"^ *(import .*\btasker\b(?!\.)|from tasker import)", re.MULTILINE)
    suspects = [path for path in sorted(PACKAGE.rglob("*.py")) if may_do_so.search(path.read_text(encoding="utf-8"))]

    found = [place for path in suspects for module, place in imports_of(path) if module == "tasker"]

    assert found == []


def test_a_store_imports_only_leases_ports_the_core_and_errors() -> None:
    found = [
        place
        for path in sorted(PACKAGE.glob("store/**/*.py"))
        for module, place in imports_of(path)
        if is_in(module, ("tasker",)) and not is_in(module, WHAT_A_STORE_MAY_IMPORT)
    ]

    assert found == []
