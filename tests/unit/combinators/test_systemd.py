from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasker._core import clock as clocks
from tasker.combinators._systemd import Notifier, notifier_of
from tests._support.leftovers import eventually


class Manager:
    """What systemd does: it listens."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.settimeout(5)

    def received(self) -> str:
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@tasker-test-{os.getpid()}")
    yield manager
    manager.close()


def notifier(**environment: str) -> Notifier:
    found = notifier_of(environment)
    assert found is not None
    return found


def test_it_says_what_becomes_of_the_program(manager: Manager) -> None:
    notifying = notifier(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000")

    notifying.ready()
    notifying.alive()
    notifying.stopping()
    notifying.close()

    assert [manager.received() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_the_watchdog_hears_of_the_loop_four_times_in_its_time(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100, 100.5, 101, 101.9, 102.1])
    monkeypatch.setattr(clocks.system(), "monotonic", lambda: next(times))
    notifying = notifier(NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="4000000")

    for _ in range(5):
        notifying.alive()
    notifying.stopping()
    notifying.close()

    assert [manager.received() for _ in range(4)] == ["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_watchdog_it_does_not_say_that_the_loop_turns(manager: Manager) -> None:
    notifying = notifier(NOTIFY_SOCKET=manager.address)

    notifying.alive()
    notifying.ready()
    notifying.close()

    assert manager.received() == "READY=1"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_what_the_environment_says(environment: dict[str, str], seconds: float | None) -> None:
    notifying = notifier(NOTIFY_SOCKET="/run/notify", **environment)
    notifying.close()

    assert notifying.watchdog == seconds


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_an_address_nobody_is_notified(environment: dict[str, str]) -> None:
    assert notifier_of(environment) is None


def test_nobody_at_the_address_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifying = notifier(NOTIFY_SOCKET=str(tmp_path / "nobody"))

    notifying.ready()
    notifying.stopping()
    notifying.close()

    eventually(lambda: bool(caplog.messages), "nothing was logged")
    assert [message.partition(":")[0] for message in caplog.messages] == ["NOTIFY_SOCKET cannot be written to"]


def test_after_its_end_it_says_nothing(manager: Manager) -> None:
    notifying = notifier(NOTIFY_SOCKET=manager.address)
    notifying.close()

    notifying.ready()

    assert notifying.is_closed
