"""What went wrong, in tasker's words: for now, or for good.

For now (`StoreUnavailable`) is the default: a server that restarts, a demoted one that only reads, a full disk, too
many connections, a login that is refused. For good (`TaskerError`) is what the same statement would meet for ever: a
missing privilege, a table that is not ours, a value that no column takes.
"""

from __future__ import annotations

from pymysql import err

from tasker.errors import StoreUnavailable, TaskerError

TABLE_EXISTS = 1050
SYNTAX_ERROR = 1064
UNKNOWN_COLUMN = 1054
_BINLOG_FORMAT = 1665
_CONFLICTS = frozenset(
    (
        1205,  # lock wait timeout
        1213,  # deadlock
        1020,  # the row has changed since it was read, as newer MariaDBs say
    )
)
_NO_TABLE = 1146
_NO_DATABASE = 1049
_GONE = frozenset((_NO_TABLE, _NO_DATABASE))
_NOT_ALLOWED = frozenset(
    (
        1044,  # to the database
        1142,  # to the table
        1143,  # to the column
        1227,  # an operation
        1370,  # a routine
    )
)
# In the classes of what is refused for good there is also what passes: 1203 and 1226 are limits on connections.
_PASSES = frozenset((1045, 1203, 1226, 1290, 1698))
_FOR_GOOD = (
    "0A",  # feature not supported
    "22",  # a value that does not fit
    "23",  # a constraint that is not ours
    "42",  # names, types, privileges, syntax
)


def code_of(error: BaseException) -> int:
    """Return the number of an error, which is the same on both servers; 0 if it has none."""
    code = error.args[0] if isinstance(error, err.MySQLError) and error.args else 0
    return code if isinstance(code, int) else 0


def translated(error: err.MySQLError) -> TaskerError:
    """Return the error to raise instead of the driver's."""
    code, words = code_of(error), in_one_line(error)
    if code in _NOT_ALLOWED:
        return TaskerError(
            f"the user of the store lacks a privilege: {words}; grant SELECT, INSERT, UPDATE and DELETE on tasker's "
            "tables, and CREATE and CREATE VIEW on their database if tasker is to make them"
        )
    if code == _NO_DATABASE:
        return StoreUnavailable(f"the database does not exist: {words}; create it, or name another one in the URL")
    if code == _NO_TABLE:
        return StoreUnavailable(f"the tables of tasker are gone: {words}")
    if code == UNKNOWN_COLUMN:
        return TaskerError(f"a table under tasker's name is not tasker's, or is damaged: {words}")
    if code == _BINLOG_FORMAT:
        return TaskerError(f"the server's binlog_format must be ROW or MIXED: {words}")
    is_refused = isinstance(error, (err.ProgrammingError, err.DataError, err.IntegrityError, err.NotSupportedError))
    if code not in _PASSES and (is_refused or (getattr(error, "sqlstate", None) or "").startswith(_FOR_GOOD)):
        return TaskerError(f"MySQL refuses the operation: {words}")
    return StoreUnavailable(f"MySQL is not available: {words}")


def is_conflict(error: BaseException) -> bool:
    """Tell whether another transaction was in the way, so that this one had no effect and can be tried again."""
    return code_of(error) in _CONFLICTS


def are_tables_gone(error: BaseException) -> bool:
    """Tell whether the tables that were there before are not any more."""
    return code_of(error) in _GONE


def is_not_allowed(error: BaseException) -> bool:
    """Tell whether a privilege is missing."""
    return code_of(error) in _NOT_ALLOWED


def too_late(limit: float) -> StoreUnavailable:
    """Return the error of a call that was given up."""
    return StoreUnavailable(f"MySQL did not answer within {limit:.3g} s")


def in_one_line(error: err.MySQLError) -> str:
    """Return what the server or the driver says, with its number."""
    text = " ".join(str(part) for part in error.args[1:] if part) or str(error)
    return f"{' '.join(text.split()) or type(error).__name__} ({code_of(error)})"
