"""An open connection to the server, and what belongs to it."""

from __future__ import annotations

import select
import socket
from contextlib import suppress

from pymysql import err

from tasker.store.mysql._session import Driver, Session


class Link:
    """A connection, a second handle on its socket, and how it takes statements.

    Attributes:
        handle: What a watchdog shuts down: the driver may close its own handle at any moment.
        session: What runs statements on it.
    """

    __slots__ = ("_connection", "handle", "session")

    def __init__(self, connection: Driver, handle: socket.socket, *, sends_packets: bool) -> None:
        """Keep them together."""
        self._connection = connection
        self.handle = handle
        self.session = Session(connection, sends_packets=sends_packets)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed here."""
        return not self._connection.open

    def was_ended(self) -> bool:
        """Tell whether the server has ended an idle connection, without asking it: there is something to read."""
        if self.is_closed:
            return True
        try:
            poll = select.poll()
            poll.register(self.handle, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def leave_to_parent(self) -> None:
        """Close what a forked child has of it without a word to the server, whose session is the parent's.

        Kept open here, it would outlive the parent, and so would its locks.
        """
        self.handle.close()
        # Without its last owner the driver's object closes its descriptor, and only that.
        del self._connection, self.session

    def close(self) -> None:
        """Close it, which undoes what has not been committed; closing it twice is no error."""
        with suppress(err.Error):
            self._connection.close()
        self.handle.close()
