"""The repository: whole states, each compared with the one before it and written in one transaction."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace

from tasker._core.durations import seconds_of
from tasker.errors import StaleToken, TaskerError
from tasker.ports import FORMAT, UNREADABLE, ScheduleState
from tasker.store._namespace import checked_namespace
from tasker.store._row import Row
from tasker.store._texts import storable
from tasker.store.sqlite._file import File
from tasker.store.sqlite._table import Table


class Repository:
    """Keeps one `ScheduleState` for each id in a file; implements `tasker.ports.Repository`.

    Its states are not the rows of a `Store` in the same file: those belong to `claim` and `finish`, and a whole state
    written over one of them would undo a claim. A state that a newer version wrote is shown with its format and not
    replaced, and neither is one that cannot be read, which is shown as such.
    """

    def __init__(self, path: str | os.PathLike[str], *, namespace: str = "", call_limit: float = 3.0) -> None:
        """Note where the file is; see `Store`.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: An argument makes no sense; the path is empty or `:memory:`.
            TaskerError: The SQLite library is older than 3.35.
        """
        self.call_limit: float = seconds_of(call_limit, "call_limit", positive=True)
        self._namespace = checked_namespace(namespace)
        self._file = File(path)

    def find_by_id(self, id: str) -> ScheduleState | None:
        """Return the newest state, or `None` if there is none; one that cannot be read has the format `UNREADABLE`."""
        row = self._file.work.read(lambda database: self._table(database).find(id), self.call_limit)
        return None if row is None else row.state()

    def create(self, state: ScheduleState) -> None:
        """Store the state of an id that has none; if it has one already, leave that as it is."""

        def operate(database: sqlite3.Connection) -> None:
            table = self._table(database)
            if table.find(state.id) is None:
                table.write([_row_of(state)])

        self._file.work.write(operate, self.call_limit)

    def update(self, state: ScheduleState) -> None:
        """Replace the state, or store it if there is none.

        Raises:
            StaleToken: The stored state has a higher `token`.
            TaskerError: The stored state was written by a newer version, or cannot be read.
        """

        def operate(database: sqlite3.Connection) -> None:
            table = self._table(database)
            stored = table.find(state.id)
            if stored is not None and _readable(stored).token > state.token:
                raise StaleToken(state.id, state.token, stored.token)
            table.write([_row_of(state)])

        self._file.work.write(operate, self.call_limit)

    def delete_by_id(self, id: str) -> None:
        """Delete the state, whatever it is; deleting what is not there is no error."""
        self._file.work.write(lambda database: self._table(database).delete(id), self.call_limit)

    def close(self) -> None:
        """Close the connections to the file; an operation after that opens them again."""
        self._file.close()

    def _table(self, database: sqlite3.Connection) -> Table:
        return Table(database, self._namespace, "tasker_state")


def _row_of(state: ScheduleState) -> Row:
    return Row.of(replace(state, definition=storable(state.definition)))


def _readable(row: Row) -> Row:
    if row.format == UNREADABLE:
        raise TaskerError(f"the stored state of {row.id!r} is left as it is: {row.definition}")
    if row.format > FORMAT:
        raise TaskerError(
            f"the stored state of {row.id!r} is left as it is: its format {row.format} is newer than {FORMAT}"
        )
    return row
