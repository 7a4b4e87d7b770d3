from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from tasker.serve._last_connections import accept_all, begin_no_more_connections, has_waiting


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0)
    yield listener
    listener.close()


def connect(listener: socket.socket, timeout: float = 5) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout)


def test_what_waits_to_be_accepted_is_taken(listener: socket.socket) -> None:
    clients = [connect(listener) for _ in range(3)]

    is_waiting = has_waiting(listener)
    accepted = accept_all(listener)
    for each in (*clients, *accepted):
        each.close()

    assert (is_waiting, len(accepted), has_waiting(listener)) == (True, 3, False)


def test_of_a_closed_socket_there_is_nothing(listener: socket.socket) -> None:
    listener.close()

    assert accept_all(listener) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has filters on sockets")
def test_no_more_connections_begin_and_those_that_wait_stay(listener: socket.socket) -> None:
    first = connect(listener)

    begin_no_more_connections(listener)
    with pytest.raises(TimeoutError):
        connect(listener, timeout=0.05)
    (accepted,) = accept_all(listener)
    first.sendall(b"still here")
    said = accepted.recv(100)
    first.close()
    accepted.close()

    assert said == b"still here"


def test_what_can_have_no_filter_is_left_as_it_is(listener: socket.socket) -> None:
    listener.close()

    begin_no_more_connections(listener)


def test_elsewhere_nothing_happens(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    begin_no_more_connections(listener)
    client = connect(listener)
    client.close()

    assert has_waiting(listener)
