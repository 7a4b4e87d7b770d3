from __future__ import annotations

from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_failure_is_logged_when_it_happens_stops_the_others_and_ends_with_status_1(kind: str) -> None:
    with Program(PROGRAMS / "failing.py", kind) as program:
        program.wait_for("ERROR tasker:", "LookupError: no such thing", "async stopped")
        logged = program.err
        program.say("go")
        program.ends_with(1, within=10)

    printed = program.err.removeprefix(logged)
    assert "sync stopped because of:" in program.out
    assert "no such thing" in program.out
    assert "not reached" not in program.out
    assert program.out.splitlines()[-1] == "exit"
    assert program.err.count("ERROR tasker:") == 1
    assert f"{kind}_failure" in logged
    assert "ExceptionGroup: a task failed (1 sub-exception)" in printed
    assert "LookupError: no such thing" in printed


def test_a_failure_is_seen_by_whoever_has_not_set_up_logging() -> None:
    with Program(PROGRAMS / "failing.py", "plain", "quiet") as program:
        program.wait_for("LookupError: no such thing").say("go")
        program.ends_with(1, within=10)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_sys_exit_in_a_task_stops_the_others_and_ends_with_its_status(kind: str) -> None:
    with Program(PROGRAMS / "exiting.py", kind, "3") as program:
        program.ends_with(3, within=10)
    assert "sync stopped" in program.out
    assert "async stopped" in program.out
    assert "not reached" not in program.out
    assert not program.err


def test_sys_exit_with_a_text_prints_it_and_ends_with_status_1() -> None:
    with Program(PROGRAMS / "exiting.py", "plain", "no configuration") as program:
        program.ends_with(1, within=10)
    assert program.err == "no configuration\n"
