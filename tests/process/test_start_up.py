from __future__ import annotations

import signal
from pathlib import Path

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"


def test_a_signal_before_the_loop_runs_starts_nothing() -> None:
    with Program(PROGRAMS / "starting.py", "before the loop runs") as program:
        program.ends_with(0, within=10)
    assert (program.out, program.err) == ("returned\n", "INFO tasker: received SIGTERM, stopping\n")


def test_a_start_that_hangs_after_the_signal_ends_with_the_budget() -> None:
    with Program(PROGRAMS / "starting.py", "before the loop, which never comes") as program:
        program.ends_with(1, within=10)
    assert "CRITICAL tasker: ShutdownTimeout: still running 0.5 s after being asked to stop: '" in program.err
    assert ", in loop_that_never_comes" in program.err
    assert "returned" not in program.out


def test_a_signal_in_the_first_step_of_a_sequence_keeps_the_others_from_starting() -> None:
    with Program(PROGRAMS / "starting.py", "in a step that notices") as program:
        program.wait_for("migrating").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["migrating", "migration stopped", "returned"]


def test_a_step_that_does_not_notice_the_signal_is_waited_for_and_is_the_last() -> None:
    with Program(PROGRAMS / "starting.py", "in a step that does not notice") as program:
        program.wait_for("migrating").signal(signal.SIGTERM)
        program.wait_for("received SIGTERM, stopping").say("go")
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["migrating", "migration done", "returned"]
