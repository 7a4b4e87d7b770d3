"""The proxy that tests put before a server does what it says, or what they find would be about the proxy."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests._support.proxy import Proxy, Way

SOON = 0.3


class Echo(socketserver.ThreadingTCPServer):
    """Answers each request with itself, and remembers it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: Echo

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(1000):
                self.server.heard.append(data)
                self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.server_address[1]) as proxy:
        yield proxy


@contextlib.contextmanager
def connected(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        yield client


def ask(client: socket.socket, request: bytes) -> bytes:
    client.sendall(request)
    return client.recv(1000)


def no_answer(client: socket.socket) -> bool:
    client.settimeout(SOON)
    try:
        client.recv(1000)
    except TimeoutError:
        client.settimeout(5)
        return True
    return False


def hears(echo: Echo, request: bytes) -> None:
    end = time.monotonic() + 5
    while request not in echo.heard:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_requests_and_replies_arrive(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        assert ask(client, b"two") == b"two"


def test_a_closed_connection_is_closed_on_the_other_side_too(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""
    end = time.monotonic() + 5
    while proxy.connections:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_sent_into_a_black_hole_never_arrives_and_its_connection_is_reset_later(
    proxy: Proxy, echo: Echo
) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.way(Way.SILENT)
        client.sendall(b"lost")
        assert no_answer(client)
        proxy.way(Way.OPEN)
        with pytest.raises(ConnectionError):
            client.recv(1000)
    with connected(proxy) as client:
        assert ask(client, b"two") == b"two"
    assert echo.heard == [b"one", b"two"]


def test_what_is_held_arrives_late(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.way(Way.HELD)
        client.sendall(b"late")
        assert no_answer(client)
        assert echo.heard == [b"one"]
        proxy.way(Way.OPEN)
        assert client.recv(1000) == b"late"


def test_a_request_whose_client_gave_up_while_it_was_held_arrives_all_the_same(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.way(Way.HELD)
        client.sendall(b"late")
    time.sleep(SOON)
    assert echo.heard == [b"one"]
    proxy.way(Way.OPEN)
    hears(echo, b"late")


def test_without_replies_requests_arrive_all_the_same(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as client:
        proxy.way(Way.NO_REPLIES)
        client.sendall(b"one")
        assert no_answer(client)
        hears(echo, b"one")
        proxy.way(Way.OPEN)
        with pytest.raises(ConnectionError):
            client.recv(1000)


def test_nobody_listens_while_it_refuses_and_the_port_is_the_same_after_that(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.way(Way.REFUSED)
        with pytest.raises(ConnectionError):
            client.recv(1000)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    proxy.way(Way.OPEN)
    with connected(proxy) as client:
        assert ask(client, b"two") == b"two"


def test_a_reset_ends_open_connections_only(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.reset()
        with pytest.raises(ConnectionError):
            client.recv(1000)
    with connected(proxy) as client:
        assert ask(client, b"two") == b"two"


def test_a_delay_makes_each_way_longer(proxy: Proxy) -> None:
    with connected(proxy) as client:
        assert ask(client, b"one") == b"one"
        proxy.delay = 0.1
        begun = time.monotonic()
        assert ask(client, b"two") == b"two"
        assert time.monotonic() - begun >= 0.2


def test_a_connection_is_cut_once_after_a_text_that_the_server_has_answered(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as one, connected(proxy) as other:
        proxy.cut_after(b"COMMIT")
        assert ask(one, b"BEGIN") == b"BEGIN"
        with pytest.raises(ConnectionError):
            ask(one, b"COMMIT")
        assert echo.heard == [b"BEGIN", b"COMMIT"]
        assert ask(other, b"COMMIT") == b"COMMIT"
