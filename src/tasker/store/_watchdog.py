"""The end of patience with one call: what works on a socket that is dead, or whose server is frozen.

A time limit of the server does not help where the server does not answer; one of a driver may be for each piece of an
answer, so that one which trickles is never too late, or for as long as the socket lives. So the socket is shut down
from the clock thread; the driver then sees its end at once, and the connection is thrown away. What is shut down is a
duplicate of the descriptor: the driver may close its own at any moment, and the number could belong to another file by
then.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Self

from tasker._core import clock
from tasker.errors import StoreUnavailable


def duplicate_of(descriptor: int) -> socket.socket:
    """Return a second handle on an open socket; the caller closes it.

    Raises:
        StoreUnavailable: The process has no descriptor left.
    """
    try:
        return socket.socket(fileno=os.dup(descriptor))
    except OSError as error:
        raise StoreUnavailable(f"no file descriptor for the connection: {error}") from error


def cut_off(handle: socket.socket) -> None:
    """End the connection of a socket, from any thread: whoever waits at it hears that at once."""
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was quicker


class Watchdog:
    """Cuts the call in its block off when its time is over.

    Attributes:
        has_cut: Whether it did, so that the connection is of no use any more.
    """

    __slots__ = ("_is_over", "_lock", "_socket", "_timer", "has_cut")

    def __init__(self, handle: socket.socket, deadline: float) -> None:
        """Watch a call from now on.

        Args:
            handle: A handle on the socket of the connection, as `duplicate_of` gives it.
            deadline: When patience ends, on the monotonic clock.
        """
        self._socket = handle
        self._lock = threading.Lock()
        self._is_over = False
        self.has_cut = False
        self._timer = clock.system().call_at(deadline, self._cut)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        # Either the cut has happened by now, or it will not: the connection is about to serve another call.
        with self._lock:
            self._is_over = True

    def _cut(self) -> None:
        with self._lock:
            if self._is_over:
                return
            self.has_cut = True
            cut_off(self._socket)
