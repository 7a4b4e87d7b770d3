"""uvicorn, as a part of a program that is not its own: the only file that imports it.

What is different from the server as it is:

- It hears no signals: the program does.
- When it stops, it first takes every connection that waits to be accepted, so that closing its socket resets none. Then
  it lets clients that keep their connection send one more request, whose answer tells them that the connection closes;
  an idle connection that is closed at once may be one on which a request is on its way.
- A start that fails is an error, and not the end of the process; one that is not over when the program stops is
  canceled, and so is an end that takes too long.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from tasker._core import clock
from tasker.serve._last_connections import PAUSE, accept_all, begin_no_more_connections

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope

# What requests may take of the grace; the rest is for the application to stop.
_FOR_REQUESTS = 0.8
# How long clients that keep their connection have for one more request.
_LAST_REQUESTS = 0.5
# What uvicorn itself waits without looking.
_PAUSE = 0.1
_LOOK_EVERY = 0.02
_CLOSE = (b"connection", b"close")


class Application:
    """The application, seen by the server: it says that connections close, and remembers why it could not start."""

    def __init__(self, app: ASGI3Application, is_draining: Callable[[], bool]) -> None:
        """Wrap it.

        Args:
            app: The application.
            is_draining: Whether connections are to be closed after their next answer.
        """
        self._app = app
        self._is_draining = is_draining
        self.failure: BaseException | None = None
        """What left it while it started."""
        self._life: asyncio.Task[Any] | None = None
        self._has_stopped = False
        self._is_canceled = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Handle a connection, or the life of the application."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http" and scope["http_version"].startswith("1"):
            await self._app(scope, receive, self._that_closes(send))
        else:
            await self._app(scope, receive, send)

    async def cancel(self) -> None:
        """Cancel the life of the application, if it has not come to its end, and wait until it has left."""
        if self._life is not None and not self._has_stopped:
            self._is_canceled = True
            self._life.cancel()
            await asyncio.wait([self._life])

    async def _live(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._life = asyncio.current_task()

        async def tell(message: ASGISendEvent) -> None:
            self._has_stopped = message["type"].startswith("lifespan.shutdown")
            if not self._is_canceled:
                await send(message)

        try:
            await self._app(scope, receive, tell)
        except BaseException as error:
            if not (self._is_canceled and isinstance(error, asyncio.CancelledError)):
                self.failure = error
                raise

    def _that_closes(self, send: ASGISendCallable) -> ASGISendCallable:
        async def closing(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start" and self._is_draining():
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        return closing


class Server(uvicorn.Server):
    """One run of the server, on sockets that are bound."""

    def __init__(
        self, app: Application, sockets: list[socket.socket], options: dict[str, Any], started: Callable[[], object]
    ) -> None:
        """Not yet serving.

        Args:
            app: The application.
            sockets: Where it listens.
            options: What `uvicorn.Config` takes.
            started: Called when it listens.
        """
        super().__init__(config_of(app, options))
        self._wrapped = app
        self._sockets = sockets
        self._on_started = started
        self._answers_until: float | None = None
        self._start: asyncio.Timeout | None = None

    async def run_here(self) -> None:
        """Serve until `should_exit`, and then until every request is answered."""
        try:
            await self.serve(self._sockets)
        finally:
            await self._wrapped.cancel()
            for listener in self._sockets:
                listener.close()
            for connection in list(self.server_state.connections):
                transport: asyncio.Transport | None = getattr(connection, "transport", None)
                if transport is not None:
                    transport.abort()

    def stop_within(self, seconds: float) -> None:
        """Begin to stop, on the loop."""
        self._answers_until = clock.current().monotonic() + seconds * _FOR_REQUESTS
        self.should_exit = True
        if self._start is not None:
            self._start.reschedule(0)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the program."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and listen; give up if it is to stop meanwhile."""
        try:
            async with asyncio.timeout(None) as self._start:
                await super().startup(sockets)
        except SystemExit:
            self.started = False
        except TimeoutError:
            if not self.should_exit:
                raise
            return
        finally:
            self._start = None
        if not self.started:
            raise RuntimeError("the application did not start; its own error is above, or in the log") from (
                self._wrapped.failure
            )
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer what has come, close, and stop the application."""
        await self._refuse_new_connections(sockets or [])
        end = clock.current().monotonic() + min(_LAST_REQUESTS, self._rest())
        while self.server_state.connections and clock.current().monotonic() < end:  # noqa: ASYNC110 - as uvicorn does
            await asyncio.sleep(_LOOK_EVERY)
        if self._answers_until is not None:
            self.config.timeout_graceful_shutdown = max(0.0, self._rest() - _PAUSE)  # type: ignore[assignment]
        await super().shutdown(sockets)

    def _rest(self) -> float:
        """Return the seconds that are left for requests; without an end if the server stops by itself."""
        return math.inf if self._answers_until is None else max(0.0, self._answers_until - clock.current().monotonic())

    async def _refuse_new_connections(self, sockets: list[socket.socket]) -> None:
        for listener in sockets:
            begin_no_more_connections(listener)
        await asyncio.sleep(PAUSE)
        waiting = [connection for listener in sockets for connection in accept_all(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        loop = asyncio.get_running_loop()
        taken = [
            asyncio.ensure_future(loop.connect_accepted_socket(self._protocol, each, ssl=self.config.ssl))
            for each in waiting
        ]
        if taken:
            await asyncio.wait(taken, timeout=_LAST_REQUESTS)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def config_of(app: Application, options: dict[str, Any]) -> uvicorn.Config:
    """Return the configuration of a server; logging is left as the program has set it up.

    Raises:
        TypeError: There is no such option.
    """
    given: dict[str, Any] = {"log_config": None, **options}
    return uvicorn.Config(app, **given)
