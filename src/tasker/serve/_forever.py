"""A server with `serve_forever` and `shutdown` as a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tasker._core.calling import perform
from tasker._core.context import Context, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task
from tasker.combinators._shutdown import with_shutdown


class Server(Protocol):
    """What the servers of the standard library are: `http.server`, `socketserver`, `xmlrpc.server`, `wsgiref`."""

    @property
    def serve_forever(self) -> Callable[..., Any]:
        """Serves until it is shut down."""
        ...

    @property
    def shutdown(self) -> Callable[[], Any]:
        """Makes that return; from another thread."""
        ...


class _Forever(Task):
    counts_starts = True

    def __init__(self, server: Server, grace: float) -> None:
        super().__init__(f"forever {type(server).__name__}")
        self._server = server
        self._grace = grace

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            raise cancelled_by(ctx.cause)
        await perform(with_shutdown(self._serve, self._server.shutdown, grace=self._grace), ctx)

    def _serve(self) -> None:
        self.starts += 1
        try:
            self._server.serve_forever()
        finally:
            # Here, and not at the end of the task, so that a close that waits for threads is within the grace.
            close = getattr(self._server, "server_close", None)
            if close is not None:
                close()


def forever(server: Server, *, grace: Duration = 25) -> Task:
    """Run a server that has `serve_forever` and `shutdown`, and close it at the end.

    It is `with_shutdown(server.serve_forever, server.shutdown)`, and `server.server_close()`, if it has that, within
    the same grace. It can be run once. What becomes of requests in flight is the server's business: a
    `ThreadingHTTPServer` waits for them if its `daemon_threads` is `False`.

    Args:
        server: The server; it listens already.
        grace: How long stopping may take; inside `main`, less if its budget is smaller.

    Raises:
        TypeError: It has no `serve_forever` or no `shutdown`.
        ValueError: The grace is negative or not finite.
        ShutdownTimeout: (when run) It was still running when the time was over.
    """
    for name in ("serve_forever", "shutdown"):
        if not callable(getattr(server, name, None)):
            raise TypeError(f"serve.forever: expected a server with {name}(), got {server!r}")
    return _Forever(server, seconds_of(grace, "grace"))
