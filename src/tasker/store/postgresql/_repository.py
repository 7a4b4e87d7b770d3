"""The repository: one whole state for each id, in a table of its own.

Not in the table of the schedules: their rows belong to `claim` and `finish`, and a whole state written over one of them
would undo a claim that came in between. Here the token alone decides, which is what a lock from elsewhere needs.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are parameters

from __future__ import annotations

from dataclasses import replace

from tasker._core.durations import seconds_of
from tasker.errors import StaleToken, TaskerError
from tasker.ports import FORMAT, ScheduleState
from tasker.store._namespace import checked_namespace
from tasker.store._texts import storable
from tasker.store.postgresql._connections import Pool
from tasker.store.postgresql._database import Database
from tasker.store.postgresql._rows import facts_of, states_of
from tasker.store.postgresql._session import Row
from tasker.store.postgresql._statements import FACTS

_COLUMNS = ", ".join(FACTS)
_VALUES = ", ".join(f"${number}" for number in range(2, len(FACTS) + 2))
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in FACTS if name != "id")

_FIND = f"SELECT {_COLUMNS} FROM {{schema}}.tasker_state WHERE namespace = $1::text AND id = $2::text"

_CREATE = f"""INSERT INTO {{schema}}.tasker_state (namespace, {_COLUMNS}) VALUES ($1::text, {_VALUES})
ON CONFLICT (namespace, id) DO NOTHING"""

# The row is locked before its token is compared, whoever else writes.
_UPDATE = f"""INSERT INTO {{schema}}.tasker_state AS s (namespace, {_COLUMNS}) VALUES ($1::text, {_VALUES})
ON CONFLICT (namespace, id) DO UPDATE SET {_REPLACED} WHERE s.token <= excluded.token AND s.format <= {FORMAT}
RETURNING s.token"""

_DELETE = "DELETE FROM {schema}.tasker_state WHERE namespace = $1::text AND id = $2::text"


class Repository:
    """Keeps one `ScheduleState` for each id in PostgreSQL; implements `tasker.ports.Repository`.

    A state that a newer version wrote is shown with its format and not replaced.
    """

    def __init__(
        self,
        url_or_pool: str | Pool,
        *,
        namespace: str = "",
        schema: str | None = None,
        call_limit: float = 3.0,
        migrate: bool = True,
    ) -> None:
        """Make a repository; it connects at its first operation, and takes the arguments of `Store`."""
        self._namespace = checked_namespace(namespace)
        self._call_limit = seconds_of(call_limit, "call_limit", positive=True)
        self._database = Database(url_or_pool, schema=schema, call_limit=self._call_limit, migrate=migrate)

    def __repr__(self) -> str:
        name = f", namespace={self._namespace!r}" if self._namespace else ""
        return f"<tasker.store.postgresql.Repository {self._database.target}{name}>"

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none."""
        states = states_of(self._rows(_FIND, id))
        return states[0] if states else None

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""
        self._rows(_CREATE, *_values(state))

    def update(self, state: ScheduleState) -> None:
        """Replace the state, or store it if there is none.

        Raises:
            StaleToken: The stored state has a higher `token`.
            TaskerError: A newer version wrote the stored state.
        """
        if self._rows(_UPDATE, *_values(state)):
            return
        newest = self.find_by_id(state.id)
        if newest is not None and newest.format > FORMAT:
            raise TaskerError(
                f"the stored state of {state.id!r} is left as it is: its format {newest.format} is newer than {FORMAT}"
            )
        raise StaleToken(state.id, state.token, state.token + 1 if newest is None else newest.token)

    def delete_by_id(self, id: str) -> None:
        """Delete the state; deleting what is not there is no error."""
        self._rows(_DELETE, id)

    def close(self) -> None:
        """Close the connection that this repository opened itself; a pool that it was given stays open."""
        self._database.close()

    def _rows(self, statement: str, *parameters: object) -> list[Row]:
        return self._database.rows(self._call_limit, statement, self._namespace, *parameters)


def _values(state: ScheduleState) -> Row:
    return facts_of(replace(state, definition=storable(state.definition)))
