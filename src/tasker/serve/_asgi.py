"""An ASGI application as a task."""

from __future__ import annotations

import logging
import socket
from typing import Any

from tasker._core.calling import perform
from tasker._core.context import Context, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task
from tasker.combinators._lifecycle import lifecycle_of
from tasker.combinators._shutdown import with_shutdown
from tasker.serve._applications import Application, application_of
from tasker.serve._extras import needing
from tasker.serve._ports import host_of, port_in, port_of, sockets_of

logger = logging.getLogger("tasker")

_NOT_HERE = {
    "reload": "a program that runs under tasker is not reloaded: start it with a tool that restarts it on changes",
    "workers": "one process serves: start the program several times",
    "fd": "tasker binds the socket itself",
    "uds": "tasker binds the socket itself",
    "app": "it is the first argument",
    "timeout_graceful_shutdown": "the grace decides",
}


class _Asgi(Task):
    counts_starts = True

    def __init__(
        self, name: str, app: Application, *, host: str, port: int, grace: float, options: dict[str, Any]
    ) -> None:
        super().__init__(f"asgi {name}")
        self._app = app
        self._host = host
        self._port = port
        self._grace = grace
        self._options = options

    async def _body(self, ctx: Context) -> None:
        from tasker.serve import _uvicorn  # noqa: PLC0415 - an extra

        if ctx.done:
            raise cancelled_by(ctx.cause)
        life = lifecycle_of(ctx)

        def is_draining() -> bool:
            return ctx.done or (life is not None and life.stopping is not None)

        sockets = sockets_of(self.name, self._host, self._port)
        server = _uvicorn.Server(
            _uvicorn.Application(self._app, is_draining), sockets, self._options, lambda: self._listens(sockets[0])
        )

        async def stop(stopping: Context) -> None:
            server.stop_within(stopping.remaining())

        await perform(with_shutdown(server.run_here, stop, grace=self._grace), ctx)

    def _listens(self, listener: socket.socket) -> None:
        self.starts += 1
        logger.info("%s listens on %s, port %d", self.name, self._host or "all addresses", port_in(listener))


def asgi(
    app: Application | str,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    port_env: str | None = None,
    grace: Duration = 25,
    **options: Any,  # noqa: ANN401 - uvicorn's
) -> Task:
    """Serve an ASGI application (FastAPI, Starlette, Django, …) with uvicorn; it needs `pip install 'py-tasker[asgi]'`.

    It has started when it listens, after the application's own start-up. When the context ends it takes no new
    connections, answers the requests that it has, and lets the application shut down; what is still running after
    four fifths of the grace is canceled. An application that is still starting up is canceled at once. From the first
    signal on, `main`'s `drain_delay` included, its answers ask clients that keep their connections to close them, so
    that no request meets a connection that is about to close.

    uvicorn's own handling of signals is off, and it leaves logging as it is.

    Args:
        app: The application, or where to import it from: `"module:attribute"`. It is imported when the task is built.
        host: The name or address to listen on; empty means all addresses, as a container needs it.
        port: 0 means one that is free; the log has it then.
        port_env: The name of a variable of the environment that gives the port if it is set, such as `"PORT"`.
        grace: How long stopping may take; inside `main`, less if its budget is smaller.
        options: Anything else that `uvicorn.Config` takes, such as `root_path`, `proxy_headers` or `ssl_certfile`.

    Raises:
        ImportError: The application cannot be imported, or uvicorn is not installed.
        TypeError: It is no ASGI application, or there is no such option.
        ValueError: The port, or what the variable says, is none; the grace is negative; or the option makes no sense
            here.
        OSError: (when run) It cannot listen there.
        RuntimeError: (when run) The application did not start.
    """
    uvicorn: Any = needing("tasker.serve._uvicorn", "serve.asgi", "uvicorn", "asgi")
    found, name = application_of(app, "serve.asgi", 3)
    for option in options:
        if (why := _NOT_HERE.get(option)) is not None:
            raise ValueError(f"serve.asgi: {option!r} makes no sense here: {why}")
    try:
        uvicorn.config_of(found, options)
    except TypeError as error:
        raise TypeError(f"serve.asgi: uvicorn does not take these options: {error}") from error
    return _Asgi(
        name,
        found,
        host=host_of(host),
        port=port_of(port, port_env),
        grace=seconds_of(grace, "grace"),
        options=options,
    )
