"""The rules on imports that import-linter cannot say; the others stand in pyproject.toml."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tasker

PACKAGE = Path(tasker.__file__).parent
DRIVERS = ("psycopg", "psycopg_pool", "sqlite3")
WHAT_A_STORE_MAY_IMPORT = ("tasker._core", "tasker.errors", "tasker.lease", "tasker.ports", "tasker.store")


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each imported module with the place of the import; relative imports are ruff's to refuse."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=str(module)):
                modules = [module]
            case _:
                continue
        for module in modules:
            yield module, f"{path.relative_to(PACKAGE.parent)}:{node.lineno} imports {module}"


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_no_module_imports_from_the_package_root() -> None:
    found = [
        place for path in sorted(PACKAGE.rglob("*.py")) for module, place in imports_of(path) if module == "tasker"
    ]

    assert found == []


def test_a_store_imports_only_leases_ports_the_core_and_errors() -> None:
    found = [
        place
        for path in sorted(PACKAGE.glob("store/**/*.py"))
        for module, place in imports_of(path)
        if is_in(module, ("tasker",)) and not is_in(module, WHAT_A_STORE_MAY_IMPORT)
    ]

    assert found == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_importing_tasker_loads_no_driver(driver: str) -> None:
    # What was there before is not ours: a tool that measures coverage brings modules of its own.
    program = (
        f"import sys; before = set(sys.modules); import tasker; sys.exit({driver!r} in sys.modules.keys() - before)"
    )

    finished = subprocess.run([sys.executable, "-c", program], check=False)

    assert finished.returncode == 0
