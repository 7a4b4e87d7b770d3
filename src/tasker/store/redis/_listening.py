"""The bell, heard by SUBSCRIBE: whoever rings it publishes that, in the script that rings."""

from __future__ import annotations

import select
import socket
import ssl

from redis.exceptions import RedisError

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.redis._errors import MovedElsewhere, translated
from tasker.store.redis._session import Session
from tasker.store.redis._target import Target

_ENOUGH = 65_536


def open_line(target: Target, channel: bytes) -> Line:
    """Open a connection on which a channel is heard; of a cluster any server will do."""
    try:
        wire = target.connect()
    except RedisError as error:
        target.look_elsewhere()
        raise _understood(error) from error
    try:
        return Line(Session(wire), channel)
    except BaseException:
        wire.disconnect()
        raise


class Line:
    """A connection that hears one bell; it belongs to one thread, but for its handle."""

    def __init__(self, session: Session, channel: bytes) -> None:
        self._session = session
        self._channel = channel
        self.handle: socket.socket = session.handle

    def subscribe(self) -> None:
        """Subscribe, and let the system find out when the server is gone, as nothing is sent any more."""
        if self.handle.family != socket.AF_UNIX:
            self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            self._session.call(b"SUBSCRIBE", self._channel)
        except RedisError as error:
            raise _understood(error) from error

    def hear(self) -> bool:
        """Wait for the server: it says nothing but that the bell was rung."""
        raw = self._session.socket
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN)
        poll.poll()
        try:
            said = raw.recv(_ENOUGH)
        except (TimeoutError, ssl.SSLWantReadError):
            return False  # something of TLS
        if not said:
            raise StoreUnavailable("the server has ended the connection")
        return True

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _understood(error: RedisError) -> TaskerError:
    found = translated(error)
    return StoreUnavailable("the channel has moved") if isinstance(found, MovedElsewhere) else found
