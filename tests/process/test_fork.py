from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.parametrize("where", ["main", "worker"]),
]


@contextmanager
def forking(where: str, what: str) -> Iterator[Program]:
    with Program(PROGRAMS / "forking.py", where, what) as program:
        yield program
        program.wait_for("parent: still works").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert "parent: returned" in program.out
    assert "not reached" not in program.out
    assert program.err.count("received SIGTERM, stopping") == 1


def child_of(program: Program) -> int:
    found = re.search(r"child is (\d+)\.", program.wait_for("child is", ".").out)
    assert found is not None
    return int(found[1])


def test_the_child_runs_tasks_with_threads_a_loop_and_deadlines_of_its_own(where: str) -> None:
    with forking(where, "run") as program:
        program.wait_for("child ended with 0")
    assert program.out.count("child: sync") == 10
    assert program.out.count("child: async") == 2
    assert "child: deadline" in program.out


def test_the_child_has_a_main_of_its_own(where: str) -> None:
    with forking(where, "main") as program:
        program.wait_for("child: ready").signal(signal.SIGUSR2, pid=child_of(program))
        program.wait_for("child ended with 0")
    assert "child: returned" in program.out


def test_a_signal_ends_a_child_that_does_not_listen(where: str) -> None:
    with forking(where, "sleep") as program:
        program.wait_for("child: ready").signal(signal.SIGTERM, pid=child_of(program))
        program.wait_for(f"child ended with {-signal.SIGTERM}")


def test_a_signal_in_the_child_writes_to_none_of_its_files(where: str) -> None:
    with forking(where, "files") as program:
        program.wait_for("child ended with 0")
    assert "child: files untouched" in program.out
    assert "wakeup fd" not in program.err
