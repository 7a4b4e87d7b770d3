from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
# Two signals within 50 ms count as one.
LATER = 0.1


@contextmanager
def notified(how: str, *markers: str) -> Iterator[Program]:
    with Program(PROGRAMS / "notified.py", how) as program:
        yield program.wait_for(*markers)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_context_and_run_waits_for_the_tasks_whatever_comes_next(number: signal.Signals) -> None:
    with notified("notify", "watching ready", "slow ready", "awaited ready") as program:
        program.signal(number)
        program.wait_for("watching left", "awaited left")
        time.sleep(LATER)
        program.signal(number, signal.SIGINT, signal.SIGTERM)
        program.say("go")
        program.ends_with(0, within=1)
    assert program.out.splitlines()[-2:] == ["slow left", "returned True"]
    assert not program.err


def test_a_failure_after_the_signal_is_raised() -> None:
    with notified("notify and fail", "watching ready", "failing ready") as program:
        program.signal(signal.SIGTERM)
        program.ends_with(1, within=1)
    assert "ExceptionGroup: a task failed (1 sub-exception)" in program.err
    assert "LookupError: no such thing" in program.err
    assert "watching left" in program.out


def test_only_the_signals_that_were_named_end_the_context() -> None:
    with notified("notify of SIGUSR1", "awaited ready") as program:
        program.signal(signal.SIGUSR1)
        program.ends_with(0, within=1)
    assert program.out.splitlines()[-2:] == ["awaited left", "returned True"]


def test_inside_of_main_it_listens_beside_main() -> None:
    with notified("notify inside of main", "watching ready", "awaited ready") as program:
        program.signal(signal.SIGUSR1)
        program.wait_for("watching left")
        assert "awaited left" not in program.out
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines()[-2:] == ["awaited left", "returned True"]


@pytest.mark.parametrize(
    ("how", "ready", "left"),
    [
        ("async", ["awaited ready"], ["awaited left"]),
        ("sync", ["plain ready"], ["plain left"]),
        ("both", ["watching ready", "awaited ready"], ["watching left", "awaited left"]),
    ],
)
def test_without_ours_ctrl_c_runs_finally_blocks_and_ends_as_python_does(
    how: str, ready: list[str], left: list[str]
) -> None:
    with notified(how, *ready) as program:
        program.signal(signal.SIGINT)
        program.ends_with(-signal.SIGINT, within=1)
    assert all(text in program.out for text in left)
    assert "returned" not in program.out
    assert program.err.splitlines()[-1] == "KeyboardInterrupt"
