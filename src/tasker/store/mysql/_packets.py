"""Statements that are sent together, and run one after another without waiting for the client.

A server stops at the first statement that fails. What a transaction has done until then is undone when the client
closes the connection, which it does after any error.
"""

from __future__ import annotations

from tasker.store.mysql._batches import LONGEST

NOW = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
"""The server's clock in microseconds: when the statement began.

So it is read by a statement of its own. `SYSDATE(6)` would be read where it stands, but in the time zone of the
session, in which an hour of autumn comes twice.
"""

READ_CLOCK = f"SET @now = {NOW}"

TELL = "SELECT @now, @p"
"""The reply of most packets: the clock, and what was picked."""

_ISOLATION = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_VARIABLES = f"SET SESSION group_concat_max_len = {LONGEST}, sql_safe_updates = 0, @now = {NOW}"


class Packet:
    """What is sent at once.

    Attributes:
        statements: The statements, with the names of literals in braces.
        text: All of them.
    """

    __slots__ = ("statements", "text")

    def __init__(self, *statements: str) -> None:
        self.statements = statements
        self.text = ";\n".join(statements)


def variables(*, has_batch: bool = True) -> str:
    """Return the statement that sets `@now`, and `@w` if there is a batch: a session may have been anyone's before."""
    return f"{_VARIABLES}, @w = {{w}}" if has_batch else _VARIABLES


def transaction(*statements: str, mode: str = "READ WRITE") -> tuple[str, ...]:
    """Return statements as one transaction.

    Said in full, as the session may have other habits: whether it commits by itself, chains transactions, changes
    nothing, or at what level it reads. At the levels above READ COMMITTED, locks would also cover what is not there;
    below it, what may yet be undone would be seen.
    """
    return (_ISOLATION, f"START TRANSACTION {mode}", *statements, "COMMIT AND NO CHAIN NO RELEASE")


def changing(*statements: str, has_batch: bool = True) -> Packet:
    """Return a packet that sets its variables and is one transaction."""
    return Packet(*transaction(variables(has_batch=has_batch), *statements))


def reading(*statements: str) -> Packet:
    """Return a packet that changes nothing."""
    return Packet(*transaction(*statements, mode="READ ONLY"))
