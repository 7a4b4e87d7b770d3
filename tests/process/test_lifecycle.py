"""What applications ask of a lifecycle beyond a signal and a stop, which have files of their own."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests._support.processes import Program

LIFECYCLE = Path(__file__).parent / "programs" / "lifecycle.py"


def test_of_several_failures_none_is_lost() -> None:
    with Program(LIFECYCLE, "two failures") as program:
        program.wait_for("second ready").say("go")
        program.ends_with(1, within=10)
    assert "ERROR tasker: 'fails_first' failed" in program.err
    assert "ERROR tasker: 'fails_when_it_stops' failed" in program.err
    raised = program.err[program.err.index("ExceptionGroup: 2 tasks failed (2 sub-exceptions)") :]
    assert "LookupError: the first" in raised
    assert "OSError: the second" in raised


def test_what_is_no_exception_is_a_failure_like_any_other() -> None:
    with Program(LIFECYCLE, "no exception") as program:
        program.ends_with(1, within=10)
    assert "other stopped" in program.out
    assert "BaseExceptionGroup: a task failed (1 sub-exception)" in program.err
    assert "OfItsOwn: not an Exception" in program.err


def test_what_is_around_a_server_closes_after_it() -> None:
    with Program(LIFECYCLE, "nested") as program:
        program.wait_for("other ready", "serving").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    order = ["pool opened", "serving", "server stops", "pool closed", "returned"]
    assert sorted(order, key=program.out.index) == order


def test_a_task_with_a_grace_finishes_what_it_is_at() -> None:
    with Program(LIFECYCLE, "grace") as program:
        program.wait_for("batch begins", "other ready").signal(signal.SIGTERM)
        program.wait_for("other stopped").say("go")
        program.ends_with(0, within=1)
    assert "batch done" in program.out
    assert program.out.splitlines()[-1] == "returned"


def test_a_task_that_fails_again_and_again_is_given_up_and_ends_the_program() -> None:
    with Program(LIFECYCLE, "restart") as program:
        program.ends_with(1, within=10)
    assert program.out.count("started") == 3
    assert "other stopped" in program.out
    assert len(re.findall(r"WARNING tasker: 'falls_over' failed \(failure \d of 3 within 1000 s\)", program.err)) == 2
    assert "ConnectionError: gone" in program.err[program.err.index("ExceptionGroup: ") :]


def test_a_part_of_a_program_can_be_stopped_while_the_rest_goes_on() -> None:
    with Program(LIFECYCLE, "part") as program:
        program.wait_for("other ready").wait_for("part ready", times=2).say("go")
        program.wait_for("part stopped")
        assert "other stopped" not in program.out
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert "other stopped" in program.out


def test_sighup_has_a_task_begin_again_and_is_never_the_end() -> None:
    with Program(LIFECYCLE, "reload") as program:
        program.wait_for("configuration read", "other ready").signal(signal.SIGHUP)
        program.wait_for("configuration read", times=2)
        program.signal(*[signal.SIGHUP] * 100)
        program.wait_for("configuration read", times=3).signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.count("no longer serving") == program.out.count("configuration read")
    assert program.out.splitlines()[-1] == "returned"
