from __future__ import annotations

import signal
import time
from pathlib import Path

from tests._support.processes import Program

STOPPED_WHILE = Path(__file__).parent / "programs" / "stopped_while.py"


def test_a_signal_during_the_wait_before_another_run_ends_it_cleanly() -> None:
    with Program(STOPPED_WHILE, "back-off") as program:
        program.wait_for("ready", "is run again in").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["ready", "returned"]


def test_a_signal_while_a_lock_is_waited_for_ends_it_cleanly() -> None:
    with Program(STOPPED_WHILE, "lock") as program:
        program.wait_for("holds", "ready").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines()[-1] == "returned"
    assert "not reached" not in program.out


def test_another_signal_during_a_stop_ends_the_process_at_once() -> None:
    with Program(STOPPED_WHILE, "stop") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stop begins")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)
    assert "stopped" not in program.out


def test_a_flood_of_signals_ends_the_process_like_two() -> None:
    with Program(STOPPED_WHILE, "stop") as program:
        program.wait_for("ready")
        while program.is_running:
            program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)


def test_a_signal_is_the_end_of_a_sequence_whose_step_stops_well() -> None:
    with Program(STOPPED_WHILE, "stop") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stop begins").say("go")
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["ready", "stop begins", "stopped", "returned"]
