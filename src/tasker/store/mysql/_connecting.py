"""Opening a connection, within a limit that holds whatever blocks.

A name server that does not answer, a handshake on a frozen server: neither can be interrupted from outside. So they
block a worker thread, and are left behind when time is up. What arrives late is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tasker._core import threads
from tasker.store.mysql._link import Link


class Attempt:
    """One attempt to connect, under way in a worker thread."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        """Begin.

        Args:
            connect: What opens the connection; it may block for any time.
        """
        self._connect = connect
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._arrived = threading.Event()
        self._link: Link | None = None
        self._error: BaseException | None = None
        threads.submit(self._run)

    def wait(self, deadline: float) -> Link | None:
        """Return the connection, or `None` if it is not there by the deadline; then wait again or abandon it.

        Raises:
            Exception: What `connect` raised.
        """
        if not self._arrived.wait(max(0.0, deadline - time.monotonic())):
            return None
        if self._error is not None:
            raise self._error
        return self._link

    def abandon(self) -> None:
        """Close the connection as soon as it is there."""
        with self._lock:
            self._is_abandoned = True
            link = self._link
        if link is not None:
            link.close()

    def _run(self) -> None:
        try:
            link = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        else:
            with self._lock:
                self._link = link
                is_abandoned = self._is_abandoned
            if is_abandoned:
                link.close()
        self._arrived.set()
