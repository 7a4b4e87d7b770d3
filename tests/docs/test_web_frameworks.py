"""The fixture that the page on web frameworks shows, used by pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "web-frameworks.md"


def block_under(heading: str) -> str:
    """Return the first block of Python under a heading of the page."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    return section.partition("```python\n")[2].partition("```")[0]


def outcome_of(tests: str, folder: Path) -> str:
    """Run tests by pytest in a process of their own, and return its report."""
    path = folder / "test_recipe.py"
    path.write_text(tests, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(path)]
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)
    return ended.stdout


def test_the_fixture_runs_its_tasks_while_a_test_runs(tmp_path: Path) -> None:
    report = outcome_of(block_under("A fixture for pytest"), tmp_path)

    assert "1 passed" in report, report


def test_a_task_that_fails_makes_the_fixture_fail(tmp_path: Path) -> None:
    recipe = block_under("A fixture for pytest").replace('print("polled")', 'raise ValueError("no more")')

    report = outcome_of(recipe.replace("assert not polling.wait(0.01)", "polling.wait(); break"), tmp_path)

    assert "1 passed, 1 error" in report, report
    assert "ValueError: no more" in report


def test_a_test_that_fails_keeps_its_own_error(tmp_path: Path) -> None:
    recipe = block_under("A fixture for pytest").replace("assert not polling.wait(0.01)", 'pytest.fail("my own")')

    report = outcome_of(recipe, tmp_path)

    assert "1 failed" in report, report
    assert "Failed: my own" in report
    assert "ExceptionGroup" not in report
