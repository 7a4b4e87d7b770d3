"""The repository: one whole state for each id, in a table of its own.

Not in the table of the schedules: their rows belong to `claim` and `finish`, and a whole state written over one of them
would undo a claim that came in between. Here the token alone decides, which is what a lock from elsewhere needs.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this package; what users give are literals

from __future__ import annotations

from operator import attrgetter

from tasker._core.durations import seconds_of
from tasker.errors import StaleToken
from tasker.ports import ScheduleState
from tasker.store._namespace import checked_namespace
from tasker.store.mysql._database import Database, Results
from tasker.store.mysql._literals import Sql, key_literal, number, owner_literal, text
from tasker.store.mysql._packets import Packet, changing, reading
from tasker.store.mysql._rows import states_of
from tasker.store.mysql._schedules import NUMBERS, facts

_COLUMNS = ("definition", "last_outcome", "owner", *NUMBERS)
_numbers_of = attrgetter(*NUMBERS)


def _value(column: str) -> str:
    return "CONVERT({definition} USING utf8mb4)" if column == "definition" else f"{{{column}}}"


_INSERT = (
    f"INSERT INTO {{database}}.`tasker_state` (`namespace`, `id`, {', '.join(f'`{name}`' for name in _COLUMNS)}) "
    f"VALUES ({{namespace}}, {{id}}, {', '.join(map(_value, _COLUMNS))}) ON DUPLICATE KEY UPDATE "
)

# The token is the last to be replaced, as some servers see what was replaced before.
_REPLACED = ", ".join(
    f"`{name}` = IF(`token` <= {{token}}, {_value(name)}, `{name}`)"
    for name in sorted(_COLUMNS, key=lambda name: name == "token")
)

_OF_ID = "FROM {database}.`tasker_state` s WHERE s.`namespace` = {namespace} AND s.`id` = {id}"

_FIND = reading(f"SELECT {facts('s')} {_OF_ID}")

_CREATE = changing(f"{_INSERT}`id` = `id`", has_batch=False)

_UPDATE = changing(_INSERT + _REPLACED, f"SELECT s.`token` {_OF_ID}", has_batch=False)

_DELETE = changing(
    "DELETE FROM {database}.`tasker_state` WHERE `namespace` = {namespace} AND `id` = {id}", has_batch=False
)


class Repository:
    """Keeps one `ScheduleState` for each id in MySQL or MariaDB; implements `tasker.ports.Repository`."""

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "",
        database: str | None = None,
        call_limit: float = 3.0,
        migrate: bool = True,
    ) -> None:
        """Make a repository; it connects at its first operation, and takes the arguments of `Store`."""
        checked = checked_namespace(namespace)
        self._named = f", namespace={checked!r}" if checked else ""
        self._namespace = owner_literal(checked)
        self._call_limit = seconds_of(call_limit, "call_limit", positive=True)
        self._database = Database(url, database=database, call_limit=self._call_limit, migrate=migrate)

    def __repr__(self) -> str:
        return f"<tasker.store.mysql.Repository {self._database.target}{self._named}>"

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none."""
        (found,) = self._results(_FIND, id=key_literal(id))
        return next(iter(states_of(found)), None)

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""
        self._results(_CREATE, **_literals(state))

    def update(self, state: ScheduleState) -> None:
        """Replace the state, or store it if there is none.

        Raises:
            StaleToken: The stored state has a higher `token`.
        """
        (((cell,),),) = self._results(_UPDATE, **_literals(state))
        if int(cell) > state.token:
            raise StaleToken(state.id, state.token, int(cell))

    def delete_by_id(self, id: str) -> None:
        """Delete the state; deleting what is not there is no error."""
        self._results(_DELETE, id=key_literal(id))

    def close(self) -> None:
        """Close the connection; an operation after that opens it again."""
        self._database.close()

    def _results(self, packet: Packet, /, **literals: Sql) -> Results:
        return self._database.results(self._call_limit, packet, namespace=self._namespace, **literals)


def _literals(state: ScheduleState) -> dict[str, Sql]:
    return {
        "id": key_literal(state.id),
        "definition": text(state.definition),
        "last_outcome": Sql("NULL") if state.last_outcome is None else text(state.last_outcome),
        "owner": Sql("NULL") if state.owner is None else owner_literal(state.owner),
        **{name: number(value) for name, value in zip(NUMBERS, _numbers_of(state), strict=True)},
    }
