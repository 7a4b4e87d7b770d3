from __future__ import annotations

import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
# What the report of what is stuck may take at most.
REPORT = 1.0


@contextmanager
def stopping(how: str, starts: int = 1) -> Iterator[Program]:
    with Program(PROGRAMS / "stopping.py", how) as program:
        yield program.wait_for("other ready").wait_for("start ready", times=starts)


def test_a_request_in_flight_is_answered_before_the_server_stops() -> None:
    answers = []

    def get(url: str) -> None:
        with urllib.request.urlopen(url, timeout=30) as response:
            answers.append(response.read())

    with Program(PROGRAMS / "serving.py") as program:
        program.wait_for("http://", "\n")
        client = threading.Thread(target=get, args=[program.out.splitlines()[0]])
        client.start()
        program.wait_for("in flight").signal(signal.SIGTERM)
        program.wait_for("received SIGTERM, stopping").say("go")
        program.ends_with(0, within=2)
        client.join()
    assert answers == [b"answered"]
    assert program.out.splitlines()[-1] == "returned"


def test_a_stop_that_hangs_is_named_and_neither_holds_the_others_nor_the_process() -> None:
    with stopping("stop hangs") as program:
        program.signal(signal.SIGTERM)
        program.wait_for("stop called", "other stopped")
        program.ends_with(1, within=1 + REPORT)
    assert "'hanging_stop'" in program.err
    assert "returned" not in program.out


def test_ten_stops_that_hang_have_no_more_time_than_the_budget() -> None:
    with stopping("stop hangs and would have more time", starts=10) as program:
        program.signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT)
    assert program.seconds >= 0.9
    assert "'hanging_stop'" in program.err


def test_what_is_cancelled_when_a_grace_is_over_still_leaves() -> None:
    with ExitStack() as stack:
        own, budget, failed = [
            stack.enter_context(stopping(how))
            for how in (
                "start leaves when its grace is over",
                "start leaves just before the budget is over",
                "stop fails",
            )
        ]
        for program in (own, budget, failed):
            program.signal(signal.SIGTERM)
        for program, status in ((own, 0), (budget, 0), (failed, 1)):
            program.ends_with(status, within=4)
            assert "start cancelled" in program.out
    assert own.seconds >= 0.2
    assert budget.seconds >= 3.6
    assert "LookupError: no such thing" in failed.err


def test_a_start_that_never_leaves_ends_the_process_with_status_1() -> None:
    with stopping("start does not leave") as program:
        program.signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT)
    assert "'start'" in program.err


def test_a_stop_that_goes_well_ends_with_status_0() -> None:
    with stopping("well") as program:
        program.signal(signal.SIGINT)
        program.ends_with(0, within=1)
    assert all(text in program.out for text in ("stop called", "start returned", "other stopped", "returned"))
