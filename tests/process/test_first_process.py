from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests._support.processes import Program
from tests._support.services import require_or_skip

PROGRAMS = Path(__file__).parent / "programs"


@cache
def command() -> list[str]:
    """Return the command that makes a program process 1 of a namespace of its own."""
    if sys.platform != "linux":
        pytest.skip("only Linux has process namespaces")
    require_or_skip(shutil.which("unshare"), "unshare, of util-linux")
    # It waits for the program and ends as the program does; if it is killed, so is the program.
    usual = ["unshare", "--pid", "--fork", "--kill-child"]
    refusals = []
    for each in (usual, [*usual, "--user", "--map-root-user"]):
        tried = subprocess.run([*each, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return each
        refusals.append(tried.stderr.strip())
    # Also in CI: in a sandbox that forbids both, there is nothing to install.
    pytest.skip(f"the kernel lets these tests make no process namespace: {', '.join(refusals)}")


@contextmanager
def process_1(*arguments: str) -> Iterator[tuple[Program, int]]:
    """Run the program as process 1; give it and its process here."""
    with Program(PROGRAMS / "first_process.py", *arguments, prefix=command()) as program:
        program.wait_for("process 1 works", "polling")
        (child,) = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        yield program, int(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_1_stops_on_a_signal(number: signal.Signals) -> None:
    with process_1() as (program, child):
        program.signal(number, pid=child)
        program.ends_with(0, within=1)
    assert "sync stopped" in program.out
    assert "async stopped" in program.out
    assert program.out.splitlines()[-1] == "returned"


def test_process_1_ends_when_its_budget_is_over() -> None:
    with process_1("stuck") as (program, child):
        program.signal(signal.SIGTERM, pid=child)
        program.ends_with(1, within=2)


def test_process_1_ends_at_once_on_the_second_signal() -> None:
    with process_1("stuck", "1000") as (program, child):
        program.signal(signal.SIGTERM, pid=child)
        program.wait_for("async stopped")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGTERM, pid=child)
        program.ends_with(143, within=1)


def test_process_1_reaps_what_commands_leave_behind() -> None:
    with Program(PROGRAMS / "first_process_commands.py", prefix=command()) as program:
        program.ends_with(0, within=20)
    assert program.out.splitlines() == ["process 1", "nothing is left"]
