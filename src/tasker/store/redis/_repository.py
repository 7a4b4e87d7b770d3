"""The repository: one whole state for each id, under keys of its own.

Not in the rows of the schedules: these belong to `claim` and `finish`, and a whole state written over one of them would
undo a claim that came in between. Here the token alone decides, which is what a lock from elsewhere needs.
"""

from __future__ import annotations

from typing import Any

from tasker._core.durations import seconds_of
from tasker.errors import StaleToken, TaskerError
from tasker.ports import ScheduleState
from tasker.store.redis._database import Database
from tasker.store.redis._rows import fields_of, state_of, storable
from tasker.store.redis._target import Client


class Repository:
    """Keeps one `ScheduleState` for each id in Redis or Valkey; implements `tasker.ports.Repository`."""

    def __init__(self, url_or_client: str | Client, *, namespace: str = "", call_limit: float = 3.0) -> None:
        """Make a repository; it connects at its first operation, and takes the arguments of `Store`."""
        self._namespace = namespace
        self._call_limit = seconds_of(call_limit, "call_limit", positive=True)
        self._database = Database(url_or_client, namespace=namespace, call_limit=self._call_limit)

    def __repr__(self) -> str:
        name = f", namespace={self._namespace!r}" if self._namespace else ""
        return f"<tasker.store.redis.Repository {self._database.target}{name}>"

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none; one that cannot be read has the format `UNREADABLE`."""
        _, found = self._run("states", id)
        return state_of(id, found[0][1]) if found else None

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""
        self._run("create", state.id, fields_of(state), storable(state.definition))

    def update(self, state: ScheduleState) -> None:
        """Replace the state, or store it if there is none.

        Raises:
            StaleToken: The stored state has a higher `token`.
            TaskerError: The stored state was written by a newer version, or cannot be read.
        """
        arguments = (fields_of(state), storable(state.definition), str(state.token))
        _, answer, *rest = self._run("update", state.id, *arguments)
        if answer == "stale":
            raise StaleToken(state.id, state.token, int(rest[0]))
        if answer == "newer":
            stored = state_of(state.id, rest[0])
            raise TaskerError(
                f"the stored state of {state.id!r} is left as it is: {stored.definition} (format {stored.format})"
            )

    def delete_by_id(self, id: str) -> None:
        """Delete the state, whatever it is; deleting what is not there is no error."""
        self._run("forget", id)

    def close(self) -> None:
        """Close the connections of this repository; a client that it was given stays as it is."""
        self._database.close()

    def _run(self, name: str, id: str, *arguments: Any) -> list[Any]:  # noqa: ANN401 - JSON
        return self._database.run(self._call_limit, name, [self._database.keys.state(id)], arguments)
