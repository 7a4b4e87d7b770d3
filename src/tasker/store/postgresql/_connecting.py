"""Opening a connection, within a limit that holds whatever blocks.

A name server that does not answer, a handshake on a frozen server, a pool that checks its connections on a dead
socket: none of them can be interrupted from outside. So they block a worker thread, and are left behind when time is
up. What arrives late is handed back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

from tasker._core import threads
from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.postgresql._errors import translated
from tasker.store.postgresql._session import Connection


class Attempt:
    """One attempt to get a connection, under way in a worker thread."""

    def __init__(self, get: Callable[[], Connection], give_back: Callable[[Connection], None]) -> None:
        """Begin.

        Args:
            get: What gets the connection; it may block for any time.
            give_back: What becomes of a connection that nobody waits for any more.
        """
        self._get = get
        self._give_back = give_back
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._arrived = threading.Event()
        self._connection: Connection | None = None
        self._error: BaseException | None = None
        threads.submit(self._run)

    def wait(self, deadline: float) -> Connection | None:
        """Return the connection, or `None` if it is not there by the deadline; then wait again or abandon it.

        Raises:
            TaskerError: What `get` raised, in tasker's words.
        """
        if not self._arrived.wait(max(0.0, deadline - time.monotonic())):
            return None
        if self._error is not None:
            raise _reported(self._error)
        return self._connection

    def abandon(self) -> None:
        """Give the connection back as soon as it is there."""
        with self._lock:
            self._is_abandoned = True
            connection = self._connection
        if connection is not None:
            self._give_back(connection)

    def _run(self) -> None:
        try:
            connection = self._get()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        else:
            with self._lock:
                self._connection = connection
                is_abandoned = self._is_abandoned
            if is_abandoned:
                self._give_back(connection)
        self._arrived.set()


def _reported(error: BaseException) -> BaseException:
    """Return what to raise instead of the error with which an attempt to connect has failed.

    What comes from a function of the user's, which fetches a password or checks a connection, is not chained and not
    quoted: its text may hold that password.
    """
    if isinstance(error, TaskerError) or not isinstance(error, Exception):
        return error
    if not isinstance(error, psycopg.Error):
        return StoreUnavailable(f"cannot connect: {type(error).__name__}")
    reported = translated(error)
    reported.__cause__ = error
    return reported
