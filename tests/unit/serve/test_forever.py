from __future__ import annotations

import logging
import socketserver
import threading
import xmlrpc.client
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any
from wsgiref.simple_server import make_server
from xmlrpc.server import SimpleXMLRPCServer

import pytest

from tasker import Context, ShutdownTimeout, run
from tasker.combinators import _shutdown
from tasker.serve import forever
from tests._support.tasks import Boom, ended

BACKGROUND = Context.background()


class Server:
    """Knows what was asked of it; the context `until_it_serves` ends when it has begun."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.until_it_serves = BACKGROUND.with_cancel()
        self._shutdown = threading.Event()

    def serve_forever(self) -> None:
        self.log.append("serving")
        self.until_it_serves.cancel()
        self._shutdown.wait(60)

    def shutdown(self) -> None:
        self.log.append("shutdown")
        self._shutdown.set()

    def server_close(self) -> None:
        self.log.append("closed")


def test_at_the_end_it_is_shut_down_and_closed() -> None:
    server = Server()

    run(forever(server), server.until_it_serves)

    assert server.log == ["serving", "shutdown", "closed"]


def test_one_that_fails_is_closed_too() -> None:
    class Failing(Server):
        def serve_forever(self) -> None:
            raise Boom

    server = Failing()
    with pytest.raises(Boom):
        run(forever(server))

    assert server.log == ["closed"]


def test_one_without_a_close_is_only_shut_down() -> None:
    class Plain:
        def __init__(self) -> None:
            self.until_it_serves = BACKGROUND.with_cancel()
            self.done = threading.Event()

        def serve_forever(self) -> None:
            self.until_it_serves.cancel()
            self.done.wait(60)

        def shutdown(self) -> None:
            self.done.set()

    server = Plain()

    run(forever(server), server.until_it_serves)

    assert server.done.is_set()


def test_under_an_ended_context_it_is_left_alone() -> None:
    server = Server()

    with pytest.raises(BaseException, match="the context ended"):
        run(forever(server), ended())

    assert server.log == []


def test_a_close_that_hangs_is_given_up_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shutdown, "_TO_LEAVE", 0.01)
    hold = threading.Event()

    class Hanging(Server):
        def server_close(self) -> None:
            hold.wait(60)

    server = Hanging()
    with pytest.raises(ShutdownTimeout):
        run(forever(server, grace=0.01), server.until_it_serves)
    hold.set()


@pytest.mark.parametrize(
    "make",
    [
        lambda: HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler),
        lambda: ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler),
        lambda: socketserver.UDPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler),
        lambda: make_server("127.0.0.1", 0, lambda environ, start_response: []),
        lambda: SimpleXMLRPCServer(("127.0.0.1", 0)),
    ],
    ids=["http", "threading", "udp", "wsgiref", "xmlrpc"],
)
def test_the_servers_of_the_standard_library_work(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    serve = socketserver.BaseServer.serve_forever
    monkeypatch.setattr(socketserver.BaseServer, "serve_forever", lambda self: serve(self, 0.01))
    until_it_serves = BACKGROUND.with_cancel()
    monkeypatch.setattr(socketserver.BaseServer, "service_actions", lambda self: until_it_serves.cancel())
    server = make()

    run(forever(server), until_it_serves)

    assert server.socket.fileno() == -1


@pytest.mark.parametrize("given", [42, object(), xmlrpc.client, logging])
def test_what_is_no_server_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"serve.forever: expected a server with serve_forever\(\), got"):
        forever(given)


def test_a_bad_grace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^grace"):
        forever(Server(), grace=-1)
