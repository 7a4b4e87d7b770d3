"""The connections of a store: each is opened when it is needed, and used by one call after another.

A process has two of them: one for operations, and one for renewals, which must never wait for anything else.
The rules for both:

- A call has a deadline, and everything counts: waiting for another call, opening the connection, the answer.
- A connection that met any error is thrown away. It may be broken, lead to a demoted server that only reads, or be cut
  by the watchdog; a new one costs milliseconds, and errors are rare.
- An idle connection that the server has ended is replaced before it is used: a restart between two calls is no error.
- Nothing that may have been done is sent again. A server of a cluster that has not got the keys has done nothing.
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

from redis.exceptions import RedisError

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store._attempt import Attempt
from tasker.store._watchdog import Watchdog
from tasker.store.redis._errors import MovedElsewhere, too_late, translated
from tasker.store.redis._session import Session
from tasker.store.redis._target import Target

T = TypeVar("T")

_REDIRECTIONS = 5


class Connection:
    """One connection of tasker's own; any thread may use it, one at a time."""

    def __init__(self, target: Target) -> None:
        """Remember where to connect."""
        self._target = target
        self._has_worked = False
        self._afresh()
        _of_this_process.add(self)

    def _afresh(self) -> None:
        self._turn = threading.Lock()
        self._attempt: Attempt[Session] | None = None
        self._session: Session | None = None

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
            return self._run(work, deadline, limit)
        except BaseException:
            self._drop()
            raise
        finally:
            self._turn.release()

    def _run(self, work: Callable[[Session], T], deadline: float, limit: float) -> T:
        for _ in range(_REDIRECTIONS):
            session = self._opened(deadline, limit)
            try:
                with self._one_call(session, deadline, limit):
                    return work(session)
            except MovedElsewhere as moved:
                self._target.follow(moved.host, moved.port)
                self._drop()
        raise StoreUnavailable(f"the servers of the cluster sent the call on to each other {_REDIRECTIONS} times")

    def close(self) -> None:
        """Close the connection after the call that is under way, if any; calls take no longer than their limit."""
        with self._turn:
            if self._attempt is not None:
                self._attempt.abandon()
                self._attempt = None
            self._drop()

    def leave_to_parent(self) -> None:
        """Forget everything without a word to the server; called in a forked child."""
        if self._session is not None:
            _of_parent.append(self._session)
        self._afresh()

    def _opened(self, deadline: float, limit: float) -> Session:
        if self._session is not None and self._session.was_ended:
            self._drop()
        if self._session is None:
            self._session = self._connect(deadline, limit)
            self._has_worked = True
        return self._session

    def _connect(self, deadline: float, limit: float) -> Session:
        # At most one attempt is under way: if it blocks, the next call waits for the same one.
        if self._attempt is None:
            self._attempt = Attempt(self._open, Session.close, self._not_connected)
        try:
            session = self._attempt.wait(deadline)
        except BaseException:
            self._attempt.abandon()
            self._attempt = None
            raise
        if session is None:
            raise too_late(limit)
        self._attempt = None
        return session

    def _open(self) -> Session:
        try:
            wire = self._target.connect()
            try:
                return Session(wire)
            except BaseException:
                wire.disconnect()
                raise
        except BaseException:
            self._target.look_elsewhere()
            raise

    def _not_connected(self, error: BaseException) -> BaseException:
        """Return what to raise instead of the error with which an attempt to connect has failed."""
        if isinstance(error, TaskerError) or not isinstance(error, Exception):
            return error
        if not isinstance(error, RedisError):
            # From the client's own parts, such as a function that fetches a password: its text may hold that.
            return StoreUnavailable(f"cannot connect: {type(error).__name__}")
        reported = translated(error, has_worked=self._has_worked)
        reported.__cause__ = error
        return reported

    @contextmanager
    def _one_call(self, session: Session, deadline: float, limit: float) -> Generator[None, None, None]:
        """Bound what happens inside, and translate its errors."""
        watchdog = Watchdog(session.handle, deadline)
        try:
            with watchdog:
                yield
        except (RedisError, OSError) as error:
            if watchdog.has_cut or time.monotonic() >= deadline:
                raise too_late(limit) from error
            raise translated(error, has_worked=True) from error
        if watchdog.has_cut:  # the answer was there a moment before
            self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


_of_this_process: weakref.WeakSet[Connection] = weakref.WeakSet()
_of_parent: list[Session] = []
"""Connections that were open when this process was forked: closing them would end the parent's sessions."""


def _leave_to_parent() -> None:
    for connection in list(_of_this_process):
        connection.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
