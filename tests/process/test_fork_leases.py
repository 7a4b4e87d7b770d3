from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAM = Path(__file__).parent / "programs" / "forking_leases.py"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")]


def output_of(what: str, path: Path) -> list[str]:
    with Program(PROGRAM, str(path / "tasker.db"), what) as program:
        assert program.wait() == 0, program.err
        return program.out.splitlines()


def test_a_child_frees_no_lock_of_its_parent_and_keeps_its_own(tmp_path: Path) -> None:
    assert output_of("fork_in_a_lock", tmp_path) == [
        "child: still held",
        "child: None",
        "parent: still held",
        "parent: None",
    ]


def test_a_scheduler_in_a_child_is_another_instance(tmp_path: Path) -> None:
    lines = output_of("fork_with_a_scheduler", tmp_path)

    runs = [line.split() for line in lines if line.startswith("ran")]
    slots = [run[1] for run in runs]
    assert len(slots) == len(set(slots)) >= 4
    owners = {(run[2], run[3]) for run in runs}
    assert len({pid for _, pid in owners}) == len({owner for owner, _ in owners}) == len(owners)
