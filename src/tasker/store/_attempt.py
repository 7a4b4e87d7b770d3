"""Opening a connection, within a limit that holds whatever blocks.

A name server that does not answer, a handshake on a frozen server, a pool that checks its connections on a dead
socket, a sentinel that is asked first: none of them can be interrupted from outside. So they block a worker thread, and
are left behind when time is up. What arrives late is given back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from tasker._core import threads

T = TypeVar("T")


def _as_it_is(error: BaseException) -> BaseException:
    return error


class Attempt(Generic[T]):
    """One attempt to get a connection, under way in a worker thread."""

    def __init__(
        self,
        get: Callable[[], T],
        give_back: Callable[[T], object],
        report: Callable[[BaseException], BaseException] = _as_it_is,
    ) -> None:
        """Begin.

        Args:
            get: What gets the connection; it may block for any time.
            give_back: What becomes of a connection that nobody waits for any more.
            report: Says what to raise instead of an error of `get`.
        """
        self._get = get
        self._give_back = give_back
        self._report = report
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._arrived = threading.Event()
        self._connection: T | None = None
        self._error: BaseException | None = None
        threads.submit(self._run)

    def wait(self, deadline: float) -> T | None:
        """Return the connection, or `None` if it is not there by the deadline; then wait again or abandon it.

        Raises:
            BaseException: What `report` has made of the error of `get`.
        """
        if not self._arrived.wait(max(0.0, deadline - time.monotonic())):
            return None
        if self._error is not None:
            # Not where it was caught, else what was raised in the first place would hang on to it.
            raise self._report(self._error)
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
