"""Packets for tasker's tables: on the right connection, in the right database, within a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from tasker.errors import StoreUnavailable
from tasker.store.mysql import _schema
from tasker.store.mysql._connections import Own
from tasker.store.mysql._errors import are_tables_gone, is_conflict
from tasker.store.mysql._literals import Sql
from tasker.store.mysql._names import checked_database, quoted
from tasker.store.mysql._packets import Packet
from tasker.store.mysql._privileges import Needs, check, needs_of
from tasker.store.mysql._session import Row, Session
from tasker.store.mysql._target import Target

Results = list[list[Row]]
"""The rows of each statement of a packet that returns rows."""

Run = Callable[..., Results]
"""Runs a packet with its literals."""

_TRIES = 5


class Database:
    """Where the tables are, and the two connections that lead there."""

    def __init__(self, url: str, *, database: str | None, call_limit: float, migrate: bool) -> None:
        """Understand the arguments; nothing is opened.

        Args:
            url: Where to connect.
            database: Where the tables are; `None` is the database in the URL.
            call_limit: The seconds in which a connection must be there.
            migrate: Whether missing tables are made.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: The URL or the database makes no sense, or neither names a database.
        """
        self._call_limit = call_limit
        self._may_make = migrate
        self._is_found = False
        self._allowed: list[Needs] = []
        self._may_make_database = database is not None
        self.target = Target(url, call_limit=call_limit)
        self._name = self.target.database if database is None else checked_database(database)
        if not self._name:
            raise ValueError(
                "expected the name of a database, in the URL (mysql://user:password@host:3306/database) or as the "
                "argument database; got none"
            )
        self._quoted = Sql(quoted(self._name))
        self._operations = Own(self.target)
        self._renewals = Own(self.target)

    def results(self, limit: float, packet: Packet, /, **literals: Sql) -> Results:
        """Run a packet, giving it up after `limit` seconds, and return the rows of its statements."""
        return self._run(self._operations, packet, literals, time.monotonic() + limit, limit)

    def in_a_hurry(self, limit: float) -> Run:
        """Return a function that runs packets on the connection for renewals, which waits for no other call.

        All packets together are given up `limit` seconds from now.
        """
        deadline = time.monotonic() + limit

        def run(packet: Packet, /, **literals: Sql) -> Results:
            return self._run(self._renewals, packet, literals, deadline, limit)

        return run

    def close(self) -> None:
        """Close the connections; the next packet opens them again."""
        self._operations.close()
        self._renewals.close()

    def _run(self, own: Own, packet: Packet, literals: dict[str, Sql], deadline: float, limit: float) -> Results:
        def work(session: Session) -> Results:
            self._prepare(session, packet)
            return session.results(packet, {**literals, "database": self._quoted})

        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                return own.run(work, deadline, limit)
            except StoreUnavailable as error:
                cause = error.__cause__
                if cause is not None and are_tables_gone(cause):
                    self._forget()
                # What was in the way of another transaction was undone, so it may begin again.
                if cause is None or not is_conflict(cause) or not tries_left or time.monotonic() >= deadline:
                    raise
        raise AssertionError("unreachable")

    def _prepare(self, session: Session, packet: Packet) -> None:
        if not self._is_found:
            _schema.find_or_make(
                session,
                self._name,
                may_make=self._may_make,
                may_make_database=self._may_make_database,
                limit=self._call_limit,
            )
            self._is_found = True
        needs = needs_of(packet)
        if needs is not None and needs not in self._allowed:
            check(session, self._quoted, needs)
            self._allowed.append(needs)

    def _forget(self) -> None:
        """Look for the tables anew with the next packet, and make them if that is allowed."""
        self._is_found = False
        self._allowed = []
