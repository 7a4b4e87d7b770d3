"""One connection as the statements see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymysql.connections import Connection

from tasker.store.mysql._literals import Sql
from tasker.store.mysql._packets import Packet

Driver = Connection
"""A connection of the driver."""

Row = tuple[Any, ...]
"""A row as the driver gives it: each cell is bytes, or `None`."""


class Session:
    """Runs statements on a connection.

    Nothing that a statement relies on is left in the server's session by another packet: behind a proxy the next one
    may reach another session.
    """

    __slots__ = ("_connection", "_sends_packets")

    def __init__(self, connection: Driver, *, sends_packets: bool) -> None:
        """Use a connection.

        Args:
            connection: An open one.
            sends_packets: Whether several statements may be sent at once; a proxy may forbid it. Then they are sent one
                by one, and the locks of a transaction wait for this process in between.
        """
        self._connection = connection
        self._sends_packets = sends_packets

    def results(self, packet: Packet, literals: Mapping[str, Sql]) -> list[list[Row]]:
        """Run a packet; return the rows of each statement that returns rows."""
        if self._sends_packets:
            return self._run(packet.text.format_map(literals))
        return [rows for statement in packet.statements for rows in self._run(statement.format_map(literals))]

    def rows(self, statement: str) -> list[Row]:
        """Run one statement, and return its rows."""
        return [row for rows in self._run(statement) for row in rows]

    def _run(self, text: str) -> list[list[Row]]:
        found: list[list[Row]] = []
        with self._connection.cursor() as cursor:
            cursor.execute(text)
            while True:
                if cursor.description:
                    found.append(list(cursor.fetchall()))
                if not cursor.nextset():
                    return found
