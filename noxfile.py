"""The sessions that need more than one Python or more than one set of dependencies; `make` has the rest."""

from __future__ import annotations

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False


def test_requirements() -> list[str]:
    """Return what the tests need, read from the dependency groups."""
    return [*nox.project.dependency_groups(PROJECT, "test")]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests, with every driver."""
    session.install(*test_requirements(), *nox.project.dependency_groups(PROJECT, "server"), "--editable", ".[all]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def without_drivers(session: nox.Session) -> None:
    """Run the fast tests where no driver is installed."""
    session.install(*test_requirements(), "--editable", ".")
    session.run("pytest", "tests/unit", "-m", "not slow", *session.posargs)


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """Build the package, install what was built, and use it."""
    session.install(".")
    session.run("python", "-P", "-c", "import tasker; print(tasker.__file__)")
