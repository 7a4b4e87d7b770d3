from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
# Two signals within 50 ms count as one.
LATER = 0.1

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to a limit of the address space")


@contextmanager
def without_threads(*arguments: str) -> Iterator[Program]:
    """Run the program until the system has no more threads for its tasks, and send a signal then."""
    with Program(PROGRAMS / "more_tasks_than_threads.py", *arguments) as program:
        program.wait_for("ready", "the system starts no more threads").signal(signal.SIGTERM)
        yield program
    assert "Exception in thread" not in program.err


def test_tasks_that_wait_for_a_thread_when_the_signal_comes_never_start() -> None:
    with without_threads("30") as program:
        program.ends_with(0, within=5)
    assert program.out.splitlines() == ["ready", "context ended", "few begun"]


def test_the_budget_counts_where_there_is_no_thread_for_the_report() -> None:
    with without_threads("0.5", "stuck") as program:
        program.ends_with(1, within=2)


def test_the_second_signal_counts_where_there_is_no_thread_to_log_the_first() -> None:
    with without_threads("1000", "stuck") as program:
        program.wait_for("context ended")
        time.sleep(LATER)
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)
