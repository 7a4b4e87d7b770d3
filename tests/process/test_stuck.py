from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
# What the report may take at most.
REPORT = 1.0
# Two signals within 50 ms count as one.
LATER = 0.1
LOGS = ["full pipe", "handler", "handler of the report", "lock of the handler", "no stream"]


def stuck(*tasks: str, grace: float = 0.5) -> Program:
    return Program(PROGRAMS / "stuck.py", str(grace), *tasks)


def test_tasks_that_never_stop_are_reported_with_their_stacks_and_end_with_the_budget() -> None:
    names = ["in_sleep", "at_lock", "swallowing", "in_python"]
    with stuck(*names, "stopping", grace=1) as program:
        program.wait_for("ready", times=5).signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT)

    assert program.seconds >= 1
    assert "not reached" not in program.out  # neither `finally` nor `atexit`
    (summary,) = re.findall(
        r"CRITICAL tasker: ShutdownTimeout: still running 1 s after being asked to stop: (.*)", program.err
    )
    assert sorted(summary.split(", ")) == sorted(map(repr, names))
    for name, line in [
        ("in_sleep", "time.sleep(1000)"),
        ("at_lock", "lock.acquire()"),
        ("swallowing", "await swallow()"),
        ("in_python", "while True:"),
    ]:
        (report,) = re.findall(
            rf"CRITICAL tasker: '{name}' is still running 1\.\d s after .*:\n((?:  .*\n)+)", program.err
        )
        assert f", in {name}\n    {line}" in report
    assert ", in swallow\n    await asyncio.sleep(1000)" in program.err
    assert "'stopping' is still running" not in program.err


def test_a_task_that_blocks_the_loop_is_reported_with_the_line_that_blocks() -> None:
    with stuck("blocking_the_loop") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(1, within=0.5 + REPORT)
    assert "'blocking_the_loop'" in program.err
    assert "time.sleep(1000)" in program.err


def test_the_budget_begins_with_a_failure() -> None:
    with stuck("in_sleep", "failing") as program:
        program.ends_with(1, within=10)
    assert "ERROR tasker: 'failing' failed" in program.err
    assert "LookupError: no such thing" in program.err
    assert "'in_sleep' is still running" in program.err
    assert "not reached" not in program.out


@pytest.mark.parametrize("task", ["in_executor", "leaving_a_thread"])
def test_a_stuck_thread_of_the_default_executor_does_not_hold_the_process(task: str) -> None:
    with stuck(task) as program:
        program.wait_for("ready")
        if task == "in_executor":
            program.signal(signal.SIGTERM)
        # Else the budget begins with the end of the last task.
        program.ends_with(1, within=10)
    assert "CRITICAL tasker: ShutdownTimeout: still running 0.5 s after being asked to stop: '" in program.err
    assert ", in shutdown_default_executor" in program.err
    assert "not reached" not in program.out


@pytest.mark.parametrize("log", LOGS)
def test_logging_that_blocks_does_not_hold_the_process(log: str) -> None:
    with Program(PROGRAMS / "stuck_log.py", log, "0.5", reads_err=False) as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(1, within=0.5 + REPORT)


@pytest.mark.parametrize("log", LOGS)
def test_logging_that_blocks_does_not_hold_the_second_signal(log: str) -> None:
    with Program(PROGRAMS / "stuck_log.py", log, "1000", reads_err=False) as program:
        program.wait_for("ready", "watching").signal(signal.SIGTERM)
        program.wait_for("context ended")
        time.sleep(LATER)
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)


def test_twenty_tasks_share_one_budget() -> None:
    with ExitStack() as stack:
        programs = [stack.enter_context(stuck(*["in_sleep"] * 20)) for _ in range(2)]
        for program in programs:
            program.wait_for("ready", times=20).signal(signal.SIGTERM)
        for program in programs:
            program.ends_with(1, within=0.5 + REPORT)


def test_the_report_is_flushed_out_of_every_handler() -> None:
    with Program(PROGRAMS / "stuck_log.py", "buffer", "0.5") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(1, within=0.5 + REPORT)
    assert "received SIGTERM, stopping" in program.err
    assert "'stuck' is still running" in program.err


@pytest.mark.parametrize("holder", ["thread", "executor", "thread, after a failure", "atexit", "process"])
def test_what_holds_the_exit_of_the_interpreter_ends_with_the_budget(holder: str) -> None:
    with Program(PROGRAMS / "held_exit.py", holder, "1") as program:
        program.wait_for("ready")
        if "failure" not in holder:
            program.signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT + 10 * ("failure" in holder))

    assert "main is over" in program.out
    assert "CRITICAL tasker: ShutdownTimeout: still running 1 s after being asked to stop: '" in program.err
    assert {
        "thread": "'thread held' is still running 1.",
        "executor": "'thread ThreadPoolExecutor-0_0' is still running 1.",
        "atexit": "'the exit of the interpreter' is still running 1.",
        "process": "'the exit of the interpreter' is still running 1.",
    }[holder.partition(",")[0]] in program.err
    assert ("time.sleep(1000)" if holder != "process" else ", in _exit_function") in program.err


def test_a_program_that_goes_on_after_main_has_all_the_time_it_wants() -> None:
    with Program(PROGRAMS / "held_exit.py", "nothing, and goes on", "0.1") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(0, within=1)

    assert program.out.splitlines() == ["ready", "main is over", "went on", "went on after the exit of the main thread"]
    assert "ShutdownTimeout" not in program.err
