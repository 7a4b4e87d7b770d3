"""What went wrong, in tasker's words: for now, or for good.

For now (`StoreUnavailable`) is the default: a server that restarts, a demoted one that only reads, a full disk, too
many connections. For good (`TaskerError`) is what the same statement would meet for ever: a missing privilege, a table
that is not ours, a value that no column takes.
"""

from __future__ import annotations

import psycopg
from psycopg import errors

from tasker.errors import StoreUnavailable, TaskerError

_FOR_GOOD = (
    "0A",  # feature not supported
    "22",  # a value that does not fit
    "23",  # a constraint that is not ours
    "42",  # names, types, privileges, syntax
)


def translated(error: psycopg.Error) -> TaskerError:
    """Return the error to raise instead of the driver's."""
    text = _in_one_line(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return TaskerError(
            f"the role of the store lacks a privilege: {text}; grant it SELECT, INSERT, UPDATE and DELETE on tasker's "
            "tables and USAGE on their schema, and CREATE on the schema if tasker is to make the tables"
        )
    if are_tables_gone(error):
        return StoreUnavailable(f"the tables of tasker are gone: {text}")
    if isinstance(error, errors.UndefinedColumn):
        return TaskerError(f"a table under tasker's name is not tasker's, or is damaged: {text}")
    # What the driver refuses before it asks the server, such as a NUL in a text, has no SQLSTATE.
    is_refused = isinstance(error, (psycopg.DataError, psycopg.NotSupportedError))
    if is_refused or (error.sqlstate or "").startswith(_FOR_GOOD):
        return TaskerError(f"PostgreSQL refuses the operation: {text}")
    return StoreUnavailable(f"PostgreSQL is not available: {text}")


def not_connected(error: BaseException) -> BaseException:
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


def are_tables_gone(error: BaseException) -> bool:
    """Tell whether the tables that were there before are not any more."""
    return isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName))


def too_late(limit: float) -> StoreUnavailable:
    """Return the error of a call that was given up."""
    return StoreUnavailable(f"PostgreSQL did not answer within {limit:.3g} s")


def _in_one_line(error: psycopg.Error) -> str:
    return " ".join((error.diag.message_primary or str(error) or type(error).__name__).split())
