"""The HTTP side of the health server: small, threaded, and bounded.

It does not use the event loop, of which it may have to say that it is blocked.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer, TCPServer
from typing import Any

from tasker._core import threads

logger = logging.getLogger("tasker")

_AT_ONCE = 16
_SECONDS = 5

Check = Callable[[], list[str]]
"""Returns what is wrong; nothing means that all is well."""


class HealthServer(TCPServer):
    """Answers what is asked at a path with what its check finds.

    At most 16 requests are handled at a time, each in at most 5 s; others are refused, so that nobody can tie it down.
    """

    def __init__(self, listener: socket.socket, checks: Mapping[str, Check]) -> None:
        """Take over a socket that listens.

        Args:
            listener: The socket.
            checks: The check for each path.
        """
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.checks = checks
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Handle a request in a worker thread."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return

        def handle() -> None:
            try:
                self.finish_request(request, client_address)
            except Exception:  # most often the client has gone
                logger.debug("a request to the health server failed", exc_info=True)
            finally:
                self.shutdown_request(request)
                self._free.release()

        try:
            threads.submit(handle)
        except RuntimeError:  # the system starts no more threads
            self.shutdown_request(request)
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    server_version = "tasker"
    sys_version = ""
    timeout = _SECONDS

    def __init__(self, request: Any, client_address: Any, server: BaseServer) -> None:  # noqa: ANN401 - as there
        self._checks: Mapping[str, Check] = getattr(server, "checks", {})
        super().__init__(request, client_address, server)

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> bytes:
        check = self._checks.get(self.path.partition("?")[0])
        if check is None:
            return self._send(HTTPStatus.NOT_FOUND, {"status": "not found", "paths": sorted(self._checks)})
        reasons = check()
        if reasons:
            return self._send(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable", "reasons": reasons})
        return self._send(HTTPStatus.OK, {"status": "ok", "reasons": []})

    def _send(self, status: HTTPStatus, what: Mapping[str, object]) -> bytes:
        body = json.dumps(what, ensure_ascii=False).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        logger.debug("health server: " + format, *args)  # noqa: G003 - the base class has the rest of the format
