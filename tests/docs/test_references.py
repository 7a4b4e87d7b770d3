"""Pages name the tests that show what they say; each of these files and folders is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_PATH = re.compile(r"\b(?:tests|src|examples|benchmarks)/[\w/.-]*\w/?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    named = set(_PATH.findall(page.read_text()))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
