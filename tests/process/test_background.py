from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
NOTHING_HOLDS_IT = "threads that hold the process: ['MainThread']"
READY = ("block ready", "sync ready", "async ready")
STOPPED = ("sync stopped", "async stopped")


@contextmanager
def block_in(where: str, what: str = "well") -> Iterator[Program]:
    with Program(PROGRAMS / "background_block.py", where, what) as program:
        yield program.wait_for(*READY)


@pytest.mark.parametrize("where", ["plain code", "a running loop", "a sync task"])
def test_ctrl_c_leaves_the_block_and_its_tasks_stop_before_it_ends_the_program(where: str) -> None:
    with block_in(where) as program:
        program.signal(signal.SIGINT)
        program.ends_with(-signal.SIGINT, within=2)

    assert all(text in program.out for text in (*STOPPED, NOTHING_HOLDS_IT))
    assert "KeyboardInterrupt" in program.err
    assert "ExceptionGroup" not in program.err


@pytest.mark.parametrize("where", ["plain code", "a running loop", "a thread"])
def test_it_listens_to_no_signals_so_sigterm_ends_the_program_as_ever(where: str) -> None:
    with block_in(where) as program:
        program.signal(signal.SIGTERM)
        program.ends_with(-signal.SIGTERM, within=1)

    assert "stopped" not in program.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["main, sync", "main, async"])
def test_inside_main_it_stops_with_that(where: str, number: signal.Signals) -> None:
    with block_in(where) as program:
        program.signal(number)
        program.ends_with(0, within=2)

    assert all(text in program.out for text in (*STOPPED, NOTHING_HOLDS_IT, "returned"))
    assert program.err.splitlines() == [f"INFO received {number.name}, stopping"]


def test_in_a_thread_of_the_programs_it_ends_when_that_leaves_it() -> None:
    with block_in("a thread") as program:
        program.signal(signal.SIGINT)
        program.ends_with(0, within=2)

    assert all(text in program.out for text in ("Ctrl-C heard", *STOPPED, "block left", NOTHING_HOLDS_IT, "returned"))


def test_a_second_ctrl_c_does_not_wait_for_tasks_that_stop_slowly() -> None:
    with block_in("plain code", "slow") as program:
        program.signal(signal.SIGINT)
        program.wait_for("stopping slowly", *STOPPED).signal(signal.SIGINT)
        program.ends_with(-signal.SIGINT, within=2)

    assert NOTHING_HOLDS_IT in program.out


# An exit that was asked for is raised bare, from what went wrong beside it; a loop raises what went wrong.
@pytest.mark.parametrize(("where", "status"), [("plain code", -signal.SIGINT), ("a sync task", 1)])
def test_a_task_that_does_not_stop_is_reported_and_does_not_hold_the_program(where: str, status: int) -> None:
    with block_in(where, "stuck") as program:
        program.wait_for("stuck ready").signal(signal.SIGINT)
        program.ends_with(status, within=5)

    assert "still running 0.2 s after being asked to stop: 'stuck'" in program.err
    assert "ERROR 'stuck' is still running 0." in program.err
    assert "await asyncio.sleep(3600)" in program.err


@pytest.mark.parametrize("where", ["plain code", "a running loop", "a sync task", "main, sync", "main, async"])
def test_a_failure_in_the_background_ends_the_program(where: str) -> None:
    # cjrh/aiorun#25, #34: it ran for ever, so no platform could restart it.
    with block_in(where, "fails") as program:
        program.say("now")
        program.ends_with(1, within=2)

    assert all(text in program.out for text in STOPPED)
    assert "ERROR 'failing' failed" in program.err
    assert "LookupError: no such thing" in program.err


def test_in_a_notebook_the_sync_form_says_what_to_use_instead_of_blocking_its_loop() -> None:
    with Program(PROGRAMS / "background_block.py", "a notebook", "well") as program:
        program.ends_with(0, within=10)

    assert "would block the event loop that runs in this thread; use `async with background()`" in program.out
    assert "the block was left" in program.out
