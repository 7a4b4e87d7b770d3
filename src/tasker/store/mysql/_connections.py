"""Where a call gets its connection.

A process has two of them: one for operations, and one for renewals, which must never wait for anything else.
The rules for both:

- Opened at the first call, so that building a store does nothing.
- A call has a deadline, and everything counts: waiting for another call, opening the connection, the statements.
- A connection that met any error is thrown away. It may be broken, lead to a demoted server that only reads, hold half
  a transaction, or be cut by the watchdog; a new one costs milliseconds, and errors are rare.
- An idle connection whose socket has something to read was ended by the server, so it is replaced before it is used: a
  restart of the server between two calls is no error, nor is its `wait_timeout`.
- A forked child leaves the connections to its parent, as both would talk on one socket, and opens its own.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from pymysql import err

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store._attempt import Attempt
from tasker.store._watchdog import Watchdog
from tasker.store.mysql._errors import too_late, translated
from tasker.store.mysql._link import Link
from tasker.store.mysql._session import Session
from tasker.store.mysql._target import Target

T = TypeVar("T")


class Own:
    """One connection, used by one call after another."""

    def __init__(self, target: Target) -> None:
        """Remember where to connect."""
        self._target = target
        self._afresh()
        _of_this_process.add(self)

    def _afresh(self) -> None:
        self._turn = threading.Lock()
        self._attempt: Attempt[Link] | None = None
        self._link: Link | None = None

    def run(self, work: Callable[[Session], T], deadline: float, limit: float) -> T:
        """Do some work on the connection, when it is this call's turn.

        Args:
            work: What to do; it is given up at the deadline.
            deadline: When that is, on the monotonic clock.
            limit: How many seconds that were at first, for the message.

        Raises:
            StoreUnavailable: The time is over, or the server is not to be had.
            TaskerError: The server refuses for good.
        """
        if not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise StoreUnavailable(f"another call took longer than {limit:.3g} s")
        try:
            link = self._opened(deadline, limit)
            with _one_call(link, deadline, limit):
                return work(link.session)
        finally:
            if self._link is not None and self._link.is_closed:
                self._drop()
            self._turn.release()

    def close(self) -> None:
        """Close the connection after the call that is under way, if any; calls take no longer than their limit."""
        with self._turn:
            if self._attempt is not None:
                self._attempt.abandon()
                self._attempt = None
            self._drop()

    def leave_to_parent(self) -> None:
        """Forget everything without a word to the server; called in a forked child."""
        if self._link is not None:
            self._link.leave_to_parent()
        self._afresh()

    def _opened(self, deadline: float, limit: float) -> Link:
        if self._link is not None and self._link.was_ended():
            self._drop()
        if self._link is None:
            self._link = self._connect(deadline, limit)
        return self._link

    def _connect(self, deadline: float, limit: float) -> Link:
        # At most one attempt is under way: if it blocks, the next call waits for the same one.
        if self._attempt is None:
            self._attempt = Attempt(self._target.connect, Link.close)
        try:
            link = self._attempt.wait(deadline)
        except BaseException as error:
            self._attempt.abandon()
            self._attempt = None
            if not isinstance(error, Exception):
                raise
            raise _not_connected(error) from error
        if link is None:
            raise too_late(limit)
        self._attempt = None
        return link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None


def _not_connected(error: Exception) -> TaskerError:
    """Return what to raise instead of the error with which an attempt to connect has failed."""
    if isinstance(error, err.MySQLError):
        return translated(error)
    if isinstance(error, OSError):
        return StoreUnavailable(f"MySQL is not available: {error}")
    # A way to log in that the driver does not know, or for which it needs another package.
    return TaskerError(f"cannot connect to MySQL: {type(error).__name__}: {error}")


@contextmanager
def _one_call(link: Link, deadline: float, limit: float) -> Generator[None, None, None]:
    """Bound what happens inside, translate its errors, and close the connection after any of them."""
    watchdog = Watchdog(link.handle, deadline)
    try:
        with watchdog:
            yield
    except err.MySQLError as error:
        link.close()
        raise (too_late(limit) if watchdog.has_cut else translated(error)) from error
    except BaseException:
        link.close()
        raise
    if watchdog.has_cut:  # the answer was there a moment before
        link.close()


_of_this_process: weakref.WeakSet[Own] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for own in list(_of_this_process):
        own.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
