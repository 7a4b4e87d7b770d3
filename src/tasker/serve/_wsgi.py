"""A WSGI application as a task."""

from __future__ import annotations

import logging

from tasker._core.calling import perform
from tasker._core.context import Context, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task
from tasker.combinators._lifecycle import lifecycle_of
from tasker.combinators._shutdown import with_shutdown
from tasker.serve._applications import Application, application_of
from tasker.serve._extras import needing
from tasker.serve._ports import host_of, listener_of, port_in, port_of

logger = logging.getLogger("tasker")


class _Wsgi(Task):
    counts_starts = True

    def __init__(self, name: str, app: Application, *, host: str, port: int, threads: int, grace: float) -> None:
        super().__init__(f"wsgi {name}")
        self._app = app
        self._host = host
        self._port = port
        self._threads = threads
        self._grace = grace

    async def _body(self, ctx: Context) -> None:
        from tasker.serve import _cheroot  # noqa: PLC0415 - an extra

        if ctx.done:
            raise cancelled_by(ctx.cause)
        listener = listener_of(self.name, self._host, self._port)
        server = _cheroot.Server(self._app, listener, self._threads)
        if (life := lifecycle_of(ctx)) is not None:
            life.on_stopping(server.drain)

        def serve() -> None:
            server.prepare()
            self.starts += 1
            logger.info("%s listens on %s, port %d", self.name, self._host or "all addresses", port_in(listener))
            server.serve()

        try:
            await perform(with_shutdown(serve, server.stop_within, grace=self._grace), ctx)
        finally:
            listener.close()


def wsgi(
    app: Application | str,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    port_env: str | None = None,
    threads: int = 10,
    grace: Duration = 25,
) -> Task:
    """Serve a WSGI application (Flask, Django, …) with threads, by cheroot; it needs `pip install 'py-tasker[wsgi]'`.

    It has started when it listens. When the context ends it takes no new connections, and answers the requests that it
    has; what is still running after four fifths of the grace loses its connection. From the first signal on, `main`'s
    `drain_delay` included, its answers ask clients that keep their connections to close them.

    What the server itself has to say is logged by the logger `tasker.wsgi`.

    Args:
        app: The application, or where to import it from: `"module:attribute"`. It is imported when the task is built.
        host: The name or address to listen on; empty means all addresses, as a container needs it. Of a name with
            several addresses it is the first.
        port: 0 means one that is free; the log has it then.
        port_env: The name of a variable of the environment that gives the port if it is set, such as `"PORT"`.
        threads: How many requests are handled at the same time; others wait.
        grace: How long stopping may take; inside `main`, less if its budget is smaller.

    Raises:
        ImportError: The application cannot be imported, or cheroot is not installed.
        TypeError: It is no WSGI application, or an argument is of the wrong type.
        ValueError: The port, or what the variable says, is none; the number of threads is less than 1; or the grace is
            negative.
        OSError: (when run) It cannot listen there.
    """
    needing("tasker.serve._cheroot", "serve.wsgi", "cheroot", "wsgi")
    found, name = application_of(app, "serve.wsgi", 2)
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise TypeError(f"threads: expected a number, got {threads!r}")
    if threads < 1:
        raise ValueError(f"threads: expected 1 or more, got {threads}")
    return _Wsgi(
        name,
        found,
        host=host_of(host),
        port=port_of(port, port_env),
        threads=threads,
        grace=seconds_of(grace, "grace"),
    )
