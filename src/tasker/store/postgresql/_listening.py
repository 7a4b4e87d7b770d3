"""The bell, heard by LISTEN: whoever rings it says so by NOTIFY, in the statement that rings."""

from __future__ import annotations

import select
import socket

import psycopg

from tasker.errors import TaskerError
from tasker.store._watchdog import duplicate_of
from tasker.store.postgresql._errors import not_connected, translated
from tasker.store.postgresql._session import Connection, Session
from tasker.store.postgresql._target import Target

CHANNEL = "tasker"

TELLING = f", pg_notify('{CHANNEL}', $1::text)"
"""What the row of the bell returns besides, where a store has listeners; `$1` is the namespace."""


def open_line(target: Target, namespace: str) -> Line:
    """Open a connection on which the bell of a namespace is heard."""
    try:
        connection = target.connect()
    except Exception as error:  # noqa: BLE001 - it may be any
        raise not_connected(error) from None
    try:
        return Line(connection, namespace)
    except BaseException:
        connection.close()
        raise


class Line:
    """A connection that hears one bell; it belongs to one thread, but for its handle."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace.encode()
        self.handle: socket.socket = duplicate_of(connection.fileno())

    def subscribe(self) -> None:
        """Listen, if this session is nobody else's."""
        try:
            self._listen()
        except psycopg.Error as error:
            raise translated(error) from error

    def _listen(self) -> None:
        ((pid,),) = Session(self._connection).rows(b"SELECT pg_backend_pid()")
        if pid != self._connection.info.backend_pid:
            raise TaskerError(
                "a proxy stands in between, which may give each transaction another session; use a URL that leads to"
                " the server itself, or leave listen out"
            )
        Session(self._connection).rows(b"LISTEN " + CHANNEL.encode())

    def hear(self) -> bool:
        """Wait for the server, and return whether the bell was rung."""
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        poll.poll()
        server = self._connection.pgconn
        server.consume_input()
        is_rung = False
        while (heard := server.notifies()) is not None:
            is_rung |= heard.extra == self._namespace
        return is_rung

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self.handle.close()
