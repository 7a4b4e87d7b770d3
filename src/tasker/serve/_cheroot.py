"""cheroot, as a part of a program that is not its own: the only file that imports it.

It was chosen among the threaded servers because it can be stopped: waitress has no way to end that answers the requests
in flight, and gunicorn is a program of its own, with processes and signals.

What is different from the server as it is:

- It listens on a socket that is bound already, and logs instead of writing to the standard error stream.
- When it stops, it first takes every connection that waits to be accepted, so that closing its socket resets none, and
  lets clients that keep their connection send one more request, whose answer tells them that the connection closes.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from cheroot import wsgi

from tasker._core import clock
from tasker._core.context import Context
from tasker.serve._last_connections import PAUSE, begin_no_more_connections, has_waiting

logger = logging.getLogger("tasker.wsgi")

_WAITING_AT_MOST = 2048
# How long clients that keep their connection have for one more request.
_LAST_REQUESTS = 0.5
_LOOK_EVERY = 0.02
# What requests may take of the grace; the rest is for threads to end.
_FOR_REQUESTS = 0.8


class Server(wsgi.Server):
    """One run of the server."""

    def __init__(self, app: Callable[..., Any], listener: socket.socket, threads: int) -> None:
        """Not yet serving.

        Args:
            app: The application.
            listener: The socket, bound.
            threads: How many requests it handles at a time.
        """
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            listener.getsockname()[:2], app, numthreads=threads, request_queue_size=_WAITING_AT_MOST
        )
        self._listener = listener

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:  # noqa: A002 - its name there
        """Take the socket that there is."""
        del family, type, proto
        self.socket = self._listener
        return self._listener

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - as there
        """Log."""
        logger.log(level, "%s", msg, exc_info=traceback)

    def drain(self) -> None:
        """Have each answer from now on close its connection; from any thread."""
        self.keep_alive_conn_limit = 0

    def stop_within(self, ctx: Context) -> None:
        """Stop listening, answer what has come, and end the threads, until the context ends."""
        self.shutdown_timeout = ctx.remaining() * _FOR_REQUESTS
        self.drain()
        begin_no_more_connections(self._listener)
        ctx.wait(PAUSE)
        # Its own thread goes on accepting and serving meanwhile.
        now = clock.current()
        end = now.monotonic() + min(_LAST_REQUESTS, self.shutdown_timeout)
        while now.monotonic() < end and (has_waiting(self._listener) or self._has_open_connections()):
            ctx.wait(_LOOK_EVERY)
        # Else it would connect to itself, to wake a thread that waits in `accept`; there is none.
        self.socket = None
        self._listener.close()
        self.stop()

    def _has_open_connections(self) -> bool:
        pool: Any = self.requests
        manager: Any = self.__dict__["_connections"]
        return bool(pool.idle < len(pool._threads) or manager._num_connections)
