from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
INT, TERM = signal.SIGINT, signal.SIGTERM
# Two signals within 50 ms count as one.
LATER = 0.1


def end_with(program: Program, first: signal.Signals, second: signal.Signals, status: int) -> None:
    program.wait_for("ready").signal(first)
    program.wait_for(f"received {first.name}, stopping")
    time.sleep(LATER)
    program.signal(second)
    program.ends_with(status, within=1)


@pytest.mark.parametrize(("first", "second", "status"), [(INT, INT, 130), (TERM, TERM, 143), (TERM, INT, 130)])
def test_the_second_signal_ends_the_process_with_128_and_its_number(
    first: signal.Signals, second: signal.Signals, status: int
) -> None:
    with Program(PROGRAMS / "blocked.py", "plain") as program:
        end_with(program, first, second, status)


@pytest.mark.parametrize("kind", ["loop_in_sleep", "loop_in_c_code", "loop_in_python", "swallowing"])
def test_the_second_signal_ends_the_process_whatever_blocks(kind: str) -> None:
    with Program(PROGRAMS / "blocked.py", kind) as program:
        end_with(program, INT, TERM, 143)


def test_a_few_signals_end_the_process_although_c_code_lets_nothing_but_handlers_run() -> None:
    with Program(PROGRAMS / "blocked.py", "loop_in_regex") as program:
        program.wait_for("ready")
        # Two are enough, unless others have the processors: then one may be heard only with the next.
        for _ in range(6):
            program.signal(TERM)
            time.sleep(LATER)
        program.ends_with(143, within=1)


def test_signals_that_c_code_lets_nobody_hear_count_as_one_and_the_next_ends_the_process() -> None:
    with Program(PROGRAMS / "blocked.py", "loop_in_greedy_c_code") as program:
        program.wait_for("ready", "C code has returned", "received SIGTERM, stopping")
        time.sleep(LATER)
        assert program.is_running
        program.signal(INT)
        program.ends_with(130, within=1)
