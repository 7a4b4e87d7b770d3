"""Opening a connection, within a limit that holds whatever blocks.

A name server that does not answer, a handshake on a frozen server, a sentinel that is asked first: none of them can be
interrupted from outside. So they block a worker thread, and are left behind when time is up. What arrives late is
closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tasker._core import threads
from tasker.store.redis._session import Session


class Attempt:
    """One attempt to open a connection, under way in a worker thread."""

    def __init__(self, connect: Callable[[], Session], report: Callable[[BaseException], BaseException]) -> None:
        """Begin.

        Args:
            connect: What opens the connection; it may block for any time.
            report: Says what to raise instead of an error of `connect`.
        """
        self._connect = connect
        self._report = report
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._arrived = threading.Event()
        self._session: Session | None = None
        self._error: BaseException | None = None
        threads.submit(self._run)

    def wait(self, deadline: float) -> Session | None:
        """Return the connection, or `None` if it is not there by the deadline; then wait again or abandon it.

        Raises:
            Exception: What `report` has made of the error of `connect`.
        """
        if not self._arrived.wait(max(0.0, deadline - time.monotonic())):
            return None
        if self._error is not None:
            # Not where it was caught, else what was raised in the first place would hang on to it.
            raise self._report(self._error)
        return self._session

    def abandon(self) -> None:
        """Close the connection as soon as it is there."""
        with self._lock:
            self._is_abandoned = True
            session = self._session
        if session is not None:
            session.close()

    def _run(self) -> None:
        try:
            session = self._connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self._error = error
        else:
            with self._lock:
                self._session = session
                is_abandoned = self._is_abandoned
            if is_abandoned:
                session.close()
        self._arrived.set()
