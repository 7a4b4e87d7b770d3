from __future__ import annotations

from pathlib import Path

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"


def test_importing_tasker_starts_nothing_and_loads_no_driver() -> None:
    with Program(PROGRAMS / "importing.py") as program:
        program.ends_with(0, within=10)
    assert program.out.splitlines() == ["changed nothing", "loaded []", "tasker"]
    assert not program.err
