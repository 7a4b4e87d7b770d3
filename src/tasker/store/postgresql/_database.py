"""Statements on tasker's tables: on the right connection, in the right schema, within a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg_pool import ConnectionPool

from tasker.errors import StoreUnavailable
from tasker.store._namespace import checked_identifier
from tasker.store.postgresql import _schema
from tasker.store.postgresql._connections import Borrowed, Own, Pool, Source
from tasker.store.postgresql._errors import are_tables_gone
from tasker.store.postgresql._listening import TELLING
from tasker.store.postgresql._names import quoted
from tasker.store.postgresql._privileges import Needs, check, needs_of
from tasker.store.postgresql._session import Row, Session
from tasker.store.postgresql._target import Target

Run = Callable[..., list[Row]]
"""Runs a statement with its parameters and returns its rows."""


class Database:
    """Where the tables are, and the two connections that lead there."""

    def __init__(
        self, url_or_pool: str | Pool, *, schema: str | None, call_limit: float, migrate: bool, tells: bool = False
    ) -> None:
        """Understand the arguments; nothing is opened.

        Args:
            url_or_pool: Where to connect, or what to borrow connections from.
            schema: Where the tables are; `None` is anywhere on the search path.
            call_limit: The seconds in which a connection must be there, and a lock in the server.
            migrate: Whether missing tables are made.
            tells: Whether who rings the bell tells those that listen.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: The URL or the schema makes no sense.
        """
        self._call_limit = call_limit
        self._schema = None if schema is None else checked_identifier(schema, "schema")
        self._may_make = migrate
        self._telling = TELLING if tells else ""
        self._found: str | None = None
        self._qualified: dict[str, bytes] = {}
        self._allowed: list[Needs] = []
        self.target = _target_of(url_or_pool, call_limit)
        self._operations: Source = (
            Borrowed(url_or_pool, self.target) if isinstance(url_or_pool, ConnectionPool) else Own(self.target)
        )
        self._renewals = Own(self.target)

    def rows(self, limit: float, statement: str, *parameters: object) -> list[Row]:
        """Run one statement, giving it up after `limit` seconds, and return its rows."""
        return self._run(self._operations, statement, parameters, time.monotonic() + limit, limit)

    def in_a_hurry(self, limit: float) -> Run:
        """Return a function that runs statements on the connection for renewals, which waits for no other call.

        All statements together are given up `limit` seconds from now.
        """
        deadline = time.monotonic() + limit

        def run(statement: str, *parameters: object) -> list[Row]:
            return self._run(self._renewals, statement, parameters, deadline, limit)

        return run

    def close(self) -> None:
        """Close the connections that were opened here; the next statement opens them again."""
        self._operations.close()
        self._renewals.close()

    def _run(
        self, source: Source, statement: str, parameters: tuple[object, ...], deadline: float, limit: float
    ) -> list[Row]:
        def work(session: Session) -> list[Row]:
            return session.rows(self._in_schema(statement, session), *parameters)

        try:
            return source.run(work, deadline, limit)
        except StoreUnavailable as error:
            if error.__cause__ is not None and are_tables_gone(error.__cause__):
                self._forget_schema()
            raise

    def _in_schema(self, statement: str, session: Session) -> bytes:
        qualified = self._qualified.get(statement)
        if qualified is None:
            found = self._found
            if found is None:
                found = _schema.find_or_make(session, self._schema, may_make=self._may_make, limit=self._call_limit)
                self._found = found
            self._check_privileges(session, found, statement)
            # With the schema in them the statements do not depend on the search path, which another user of a shared
            # session behind a proxy may have changed.
            qualified = self._qualified[statement] = self._complete(statement, found)
        return qualified

    def _complete(self, statement: str, schema: str) -> bytes:
        return statement.replace("{schema}", quoted(schema)).replace("{telling}", self._telling).encode()

    def _check_privileges(self, session: Session, schema: str, statement: str) -> None:
        needs = needs_of(statement)
        if needs is not None and needs not in self._allowed:
            check(session, schema, needs)
            self._allowed.append(needs)

    def _forget_schema(self) -> None:
        """Look for the tables anew with the next statement, and make them if that is allowed."""
        self._qualified = {}
        self._allowed = []
        self._found = None


def _target_of(url_or_pool: str | Pool, call_limit: float) -> Target:
    if not isinstance(url_or_pool, ConnectionPool):
        return Target(url_or_pool, call_limit=call_limit)
    # Newer pools take functions, for passwords that change.
    return Target(url_or_pool.conninfo, url_or_pool.kwargs, call_limit=call_limit)
