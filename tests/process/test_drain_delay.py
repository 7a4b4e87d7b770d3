from __future__ import annotations

import signal
import time
from pathlib import Path

from tests._support.processes import Program

DRAINING = Path(__file__).parent / "programs" / "draining.py"
REPORT = 1.0


def test_tasks_go_on_during_the_delay_and_end_after_it() -> None:
    with Program(DRAINING, "0.5", "25") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("received SIGTERM, stopping in 0.5 s")
        works = program.out.count("works")
        program.ends_with(0, within=0.5 + 1)

    assert program.seconds >= 0.5
    assert program.out.count("works") > works
    assert program.out.splitlines()[-2:] == ["context ended", "returned"]


def test_the_grace_begins_after_the_delay() -> None:
    with Program(DRAINING, "0.5", "0.5", "stuck") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT)

    assert program.seconds >= 1
    assert "ShutdownTimeout" in program.err


def test_the_second_signal_does_not_wait_for_the_delay() -> None:
    with Program(DRAINING, "1000", "1000") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stopping in 1000 s")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)


def test_a_failure_does_not_wait_for_the_delay() -> None:
    with Program(DRAINING, "1000", "25", "failing") as program:
        program.wait_for("ready", times=2).signal(signal.SIGTERM)
        program.wait_for("stopping in 1000 s").say("go")
        program.ends_with(1, within=10)

    assert "context ended" in program.out
