"""A real datagram socket, a real process: what systemd would hear."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._support.processes import LIMIT, Program

NOTIFYING = Path(__file__).parent / "programs" / "notifying.py"


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))

    def hears(self, within: float = LIMIT) -> str:
        """Return the next message, or nothing."""
        self.socket.settimeout(within)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return ""


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    address = str(tmp_path / "notify") if request.param == "path" else f"@tasker-process-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    manager = Manager(address)
    yield manager
    manager.socket.close()


def test_it_is_ready_when_all_has_started_and_stopping_from_the_signal_on(manager: Manager) -> None:
    with Program(NOTIFYING, "stop") as program:
        program.wait_for("migrating")
        assert manager.hears(within=0.2) == ""
        program.say("done")
        assert manager.hears() == "READY=1"
        program.wait_for("serving").signal(signal.SIGTERM)
        assert manager.hears() == "STOPPING=1"
        program.wait_for("stopping").say("done")
        program.ends_with(0, within=2)
        assert manager.hears(within=0.01) == ""


def test_a_program_that_is_stopped_while_it_starts_was_never_ready(manager: Manager) -> None:
    with Program(NOTIFYING) as program:
        program.wait_for("migrating").signal(signal.SIGTERM)
        assert manager.hears() == "STOPPING=1"
        program.say("done")
        program.ends_with(0, within=2)
        assert manager.hears(within=0.01) == ""


def test_the_watchdog_hears_of_a_loop_that_turns_and_not_of_one_that_is_blocked(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with Program(NOTIFYING) as program:
        program.wait_for("migrating").say("done")
        heard = [manager.hears() for _ in range(10)]
        program.wait_for("serving").say("block")
        program.wait_for("blocks")
        # What was sent before is heard first.
        while manager.hears(within=0.01):
            pass
        late = [manager.hears(within=1.0) for _ in range(2)]

    assert set(heard) == {"READY=1", "WATCHDOG=1"}
    assert late[-1] == ""
