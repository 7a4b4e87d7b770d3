"""A protected resource: it takes writes under a fencing token, and refuses those under a lower one than it has seen.

It is asked over TCP, a line for each write, and writes down itself what it accepted and refused, in the order in which
it did so.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import Self

from tests.fault.harness.log import Log

_HOST = "127.0.0.1"
_LIMIT = 60.0


class Resource(socketserver.ThreadingTCPServer):
    """Serves while its `with` block runs.

    Attributes:
        port: Where it is asked.
    """

    daemon_threads = True

    def __init__(self, log: Log, *, is_fenced: bool = True) -> None:
        super().__init__((_HOST, 0), _Write)
        self.port = int(self.server_address[1])
        self._log = log
        self._is_fenced = is_fenced
        self._highest: dict[str, int] = {}
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="resource")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def write(self, actor: str, key: str, token: int) -> bool:
        """Accept a write, or refuse it; the check and the write are one."""
        with self._mutex:
            is_new = token >= self._highest.get(key, 0) or not self._is_fenced
            if is_new:
                self._highest[key] = token
            self._log.write("accepted" if is_new else "refused", key, token, by=actor)
            return is_new


class _Write(socketserver.StreamRequestHandler):
    server: Resource

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            request = self.rfile.readline().decode()
            if not request.endswith("\n"):
                return  # whoever asked was killed meanwhile
            actor, key, token = request.split("\t")
            self.wfile.write(b"accepted\n" if self.server.write(actor, key, int(token)) else b"refused\n")


def write(port: int, actor: str, key: str, token: int) -> bool:
    """Ask the resource to take a write, and tell whether it did."""
    with socket.create_connection((_HOST, port), timeout=_LIMIT) as connection:
        connection.sendall(f"{actor}\t{key}\t{token}\n".encode())
        return connection.recv(100) == b"accepted\n"
