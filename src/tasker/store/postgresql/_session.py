"""One connection as the statements see it, whoever opened it and however it is set up."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg.rows import tuple_row

Connection = psycopg.Connection[Any]
"""A connection of any row type: a pool's connections are as its owner made them."""

Row = tuple[Any, ...]
"""A row as the driver gives it; what is in it follows from the statement."""


class Session:
    """Runs statements on a connection, without leaving anything in the server's session.

    The cursor is of our own kind, since the factories of a pool's connections may make anything. No statement is
    prepared under a name: behind a proxy the next one may reach another session.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def server_version(self) -> int:
        """The version of the server as its number, such as 150004."""
        return self._connection.info.server_version

    def rows(self, statement: bytes, *parameters: object) -> list[Row]:
        """Run one statement with parameters `$1`, `$2`, … and return its rows."""
        cursor = psycopg.RawCursor(self._connection, row_factory=tuple_row)
        cursor.execute(statement, parameters, prepare=False, binary=True)
        return cursor.fetchall() if cursor.description else []

    def transaction(self) -> AbstractContextManager[object]:
        """Let the statements inside the block be one transaction."""
        return self._connection.transaction()
