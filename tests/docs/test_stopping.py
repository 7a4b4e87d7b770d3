from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_line_about_stopping_names_tests_that_there_are() -> None:
    lines = (ROOT / "docs" / "explain" / "stopping.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]

    kept = [re.findall(r"`(test_\w+\.py)`", row.rpartition("| ")[2]) for row in rows]

    assert len(rows) > 20
    assert all(kept)
    assert [name for names in kept for name in names if not (ROOT / "tests" / "process" / name).is_file()] == []
