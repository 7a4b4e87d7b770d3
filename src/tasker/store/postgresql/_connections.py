"""Where a call gets its connection: one of tasker's own, or one borrowed from a pool of the user's.

A process has two of them: one for operations, and one for renewals, which must never wait for anything else.
The rules for both:

- Opened at the first call, so that building a store does nothing.
- A call has a deadline, and everything counts: waiting for another call, opening the connection, the statement.
- A connection that met any error is thrown away. It may be broken, lead to a demoted server that only reads, or be cut
  by the watchdog; a new one costs milliseconds, and errors are rare.
- An idle connection whose socket has something to read was ended by the server, so it is replaced before it is used: a
  restart of the server between two calls is no error.
- A forked child leaves the connections to its parent, as both would talk on one socket, and opens its own.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store._attempt import Attempt
from tasker.store._watchdog import Watchdog, duplicate_of
from tasker.store.postgresql._errors import not_connected, too_late, translated
from tasker.store.postgresql._session import Connection, Session
from tasker.store.postgresql._target import Target

T = TypeVar("T")
Pool = ConnectionPool[Connection]


class Source(Protocol):
    """Gives each call a connection."""

    def run(self, work: Callable[[Session], T], deadline: float, limit: float) -> T:
        """Do some work on a connection.

        Args:
            work: What to do; it is given up at the deadline.
            deadline: When that is, on the monotonic clock.
            limit: How many seconds that were at first, for the message.

        Raises:
            StoreUnavailable: The time is over, or the server is not to be had.
            TaskerError: The server refuses for good.
        """
        ...

    def close(self) -> None:
        """Close what was opened here; the next call opens it again."""
        ...


class Own:
    """One connection of tasker's own, used by one call after another."""

    def __init__(self, target: Target) -> None:
        """Remember where to connect."""
        self._target = target
        self._afresh()
        _of_this_process.add(self)

    def _afresh(self) -> None:
        self._turn = threading.Lock()
        self._attempt: Attempt[Connection] | None = None
        self._connection: Connection | None = None
        self._handle: socket.socket | None = None

    def run(self, work: Callable[[Session], T], deadline: float, limit: float) -> T:
        """Do some work on the connection, when it is this call's turn."""
        with _in_turn(self._turn, deadline, limit):
            try:
                connection, handle = self._opened(deadline, limit)
                with _one_call(connection, handle, deadline, limit):
                    return work(Session(connection))
            finally:
                if self._connection is not None and self._connection.closed:
                    self._drop()

    def close(self) -> None:
        """Close the connection after the call that is under way, if any; calls take no longer than their limit."""
        with self._turn:
            if self._attempt is not None:
                self._attempt.abandon()
                self._attempt = None
            self._drop()

    def leave_to_parent(self) -> None:
        """Forget everything without a word to the server; called in a forked child."""
        if self._connection is not None:
            _of_parent.append(self._connection)
        if self._handle is not None:
            self._handle.close()
        self._afresh()

    def _opened(self, deadline: float, limit: float) -> tuple[Connection, socket.socket]:
        if self._connection is not None and _was_ended(self._connection):
            self._drop()
        if self._connection is None or self._handle is None:
            self._drop()
            self._connection = self._connect(deadline, limit)
            self._handle = duplicate_of(self._connection.fileno())
        return self._connection, self._handle

    def _connect(self, deadline: float, limit: float) -> Connection:
        # At most one attempt is under way: if it blocks, the next call waits for the same one.
        if self._attempt is None:
            self._attempt = Attempt(self._target.connect, psycopg.Connection.close, not_connected)
        try:
            connection = self._attempt.wait(deadline)
        except BaseException:
            self._attempt.abandon()
            self._attempt = None
            raise
        if connection is None:
            raise too_late(limit)
        self._attempt = None
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._handle is not None:
            self._handle.close()
        self._connection = self._handle = None


class Borrowed:
    """Connections of a pool of the user's, each borrowed for one call, and one at a time.

    So many threads that ask the store at once leave the rest of the pool to the application.
    """

    def __init__(self, pool: Pool, target: Target) -> None:
        """Remember the pool, and where it leads, for a forked child in which it is of no use."""
        self._pool = pool
        self._turn = threading.Lock()
        self._process = os.getpid()
        self._instead = Own(target)

    def run(self, work: Callable[[Session], T], deadline: float, limit: float) -> T:
        """Do some work on a borrowed connection."""
        if os.getpid() != self._process:
            return self._instead.run(work, deadline, limit)
        with _in_turn(self._turn, deadline, limit):
            connection = self._borrow(deadline, limit)
            try:
                with (
                    duplicate_of(connection.fileno()) as handle,
                    _with_autocommit(connection),
                    _one_call(connection, handle, deadline, limit),
                ):
                    return work(Session(connection))
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Leave the pool alone."""
        self._instead.close()

    def _borrow(self, deadline: float, limit: float) -> Connection:
        def get() -> Connection:
            return self._pool.getconn(timeout=max(0.0, deadline - time.monotonic()))

        while True:
            # Not called here: a pool may check its connections, and does so without any limit.
            attempt = Attempt(get, self._give_back, not_connected)
            try:
                connection = attempt.wait(deadline)
            except BaseException:
                attempt.abandon()
                raise
            if connection is None:
                attempt.abandon()
                raise too_late(limit)
            if not _was_ended(connection):
                return connection
            connection.close()
            self._give_back(connection)

    def _give_back(self, connection: Connection) -> None:
        # The pool replaces a closed one.
        self._pool.putconn(connection)


@contextmanager
def _in_turn(turn: threading.Lock, deadline: float, limit: float) -> Generator[None, None, None]:
    """Wait for the calls before this one."""
    if not turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise StoreUnavailable(f"another call took longer than {limit:.3g} s")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def _with_autocommit(connection: Connection) -> Generator[None, None, None]:
    """Let each statement be its own transaction, and leave the connection as its owner had it."""
    had = connection.autocommit
    if had:
        yield
        return
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = False


@contextmanager
def _one_call(
    connection: Connection, handle: socket.socket, deadline: float, limit: float
) -> Generator[None, None, None]:
    """Bound what happens inside, translate its errors, and close the connection after any of them."""
    watchdog = Watchdog(handle, deadline)
    try:
        with watchdog:
            yield
    except psycopg.Error as error:
        connection.close()
        raise (too_late(limit) if watchdog.has_cut else translated(error)) from error
    except UnicodeEncodeError as error:
        connection.close()
        raise TaskerError(f"PostgreSQL refuses the operation: {error}") from error
    except BaseException:
        connection.close()
        raise
    if watchdog.has_cut:  # the answer was there a moment before
        connection.close()


_END_FOLLOWS_WITHIN = 100
"""Milliseconds."""


def _was_ended(connection: Connection) -> bool:
    """Tell whether the server has ended an idle connection, without asking it."""
    if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
        return True
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return False
        # It may be a mere notice, or a ticket of TLS: then the connection is still good after reading it. Or it is the
        # server's last word, which the end follows.
        connection.pgconn.consume_input()
        return bool(poll.poll(_END_FOLLOWS_WITHIN))
    except (OSError, psycopg.Error):
        return True


_of_this_process: weakref.WeakSet[Own] = weakref.WeakSet()
_of_parent: list[Connection] = []
"""Connections that were open when this process was forked: closing them would end the parent's sessions."""


def _leave_to_parent() -> None:
    for own in list(_of_this_process):
        own.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
