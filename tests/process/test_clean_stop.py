from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_kind_of_task_and_main_leaves_the_process_as_it_was(number: signal.Signals) -> None:
    with Program(PROGRAMS / "service.py") as program:
        program.wait_for("http://", "sync ready", "async ready", "beat")
        address = program.out.splitlines()[0]
        with urllib.request.urlopen(address, timeout=30) as response:
            assert response.read() == b"hello"

        program.signal(number)
        program.wait_for("sync stopped", "async stopped", "main returned", "again ready")
        # The first signal of a new `main`, not the second of the old one.
        program.signal(number)
        program.ends_with(0, within=1)

    assert program.out.splitlines()[-4:] == [
        "again stopped",
        "as before",
        "own handler",
        "threads that hold the process: ['MainThread']",
    ]
    assert program.err.splitlines() == [f"INFO tasker: received {number.name}, stopping"] * 2


def test_main_returns_when_the_last_task_has_ended() -> None:
    with Program(PROGRAMS / "ending.py") as program:
        program.ends_with(0, within=10)
    assert program.out.splitlines() == ["async", "sync", "returned", "exit"]
    assert not program.err


def test_main_listens_also_where_the_wake_up_descriptor_is_taken_and_leaves_it_alone() -> None:
    with Program(PROGRAMS / "wakeup_taken.py") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines()[1:] == ["stopped", "the descriptor is still the program's"]


def test_a_wrapper_that_forwards_the_signal_of_the_terminal_makes_no_second_one_of_it() -> None:
    with Program(PROGRAMS / "slow_stop.py") as program:
        program.wait_for("ready")
        # Frozen, it gets both in one moment.
        program.signal(signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT)
        program.wait_for("stopping").say("go")
        program.ends_with(0, within=1)
    assert program.err.count("INFO tasker: received") == 1
