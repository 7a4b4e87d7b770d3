"""A small HTTP server that says whether the program is alive and ready, as a task."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from tasker._core.calling import perform
from tasker._core.context import Context, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task
from tasker.combinators._lifecycle import lifecycle_of
from tasker.combinators._shutdown import with_shutdown
from tasker.health._checks import Checks
from tasker.health._schedules import Schedules, Source
from tasker.serve._ports import host_of, listener_of, port_in, port_of

logger = logging.getLogger("tasker")


class _Server(Task):
    counts_starts = True

    def __init__(
        self, host: str, port: int, *, sources: Sequence[Source], margin: float, blocked: float | None
    ) -> None:
        super().__init__("health server")
        self._host = host
        self._port = port
        self._sources = sources
        self._margin = margin
        self._blocked = blocked

    async def _body(self, ctx: Context) -> None:
        from tasker.health._http import HealthServer  # noqa: PLC0415 - it brings `http.server`, for those who run one

        if ctx.done:
            raise cancelled_by(ctx.cause)
        checks = Checks(ctx, lifecycle_of(ctx), Schedules(self._sources, self._margin), self._blocked)
        listener = listener_of(self.name, self._host, self._port)
        paths = {"/livez": checks.against_being_alive, "/readyz": checks.against_being_ready}
        with HealthServer(listener, paths) as server:
            self.starts += 1
            logger.info("%s listens on %s, port %d", self.name, self._host or "all addresses", port_in(listener))
            await perform(with_shutdown(server.serve_forever, server.shutdown), ctx)


def server(
    port: int,
    host: str = "",
    *,
    port_env: str | None = None,
    schedules: Source | Iterable[Source] | None = None,
    margin: Duration = 60,
    blocked: Duration | None = 30,
) -> Task:
    """Answer `/livez` and `/readyz` over HTTP, for Kubernetes, load balancers and people.

    Both answer 200 when all is well, else 503, and in either case with the reasons in JSON. They need neither the event
    loop nor the main thread.

    `/readyz` says no until all tasks of `main` have started, and again from the first signal on, during `drain_delay`
    too. A task has started when it has begun; a sequence, when its last task has; `tasker.serve.asgi` and `wsgi`, when
    they listen; what waits for its time counts as started. It also says no while the event loop is blocked for longer
    than a second, and, if asked to, when a schedule is overdue.

    `/livez` says no when the event loop has been blocked for so long that only a restart helps.

    Args:
        port: 0 means one that is free; the log has it then.
        host: The name or address to listen on; empty means all addresses, since a probe comes from outside.
        port_env: The name of a variable of the environment that gives the port if it is set.
        schedules: A scheduler, or several: a schedule of theirs whose last success is older than its period and the
            margin makes the program not ready. A store that does not answer does not.
        margin: How late a success may be, in seconds: at least as long as a run may take.
        blocked: How long the event loop may be blocked before the program counts as dead; `None` means for ever.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The port, or what the variable says, is none, or a duration is negative.
        OSError: (when run) It cannot listen there.
    """
    return _Server(
        host_of(host),
        port_of(port, port_env),
        sources=_sources_of(schedules),
        margin=seconds_of(margin, "margin"),
        blocked=None if blocked is None else seconds_of(blocked, "blocked"),
    )


def _sources_of(given: Source | Iterable[Source] | None) -> list[Source]:
    sources: list[Any] = []
    if isinstance(given, Iterable) and not hasattr(given, "states"):
        sources.extend(given)
    elif given is not None:
        sources.append(given)
    for each in sources:
        if not callable(getattr(each, "states", None)):
            raise TypeError(f"schedules: expected a scheduler, with states(), or several, got {each!r}")
    return sources
