"""What the user of a store must be allowed to do, looked at before the first change and not when a run has ended.

Whoever only reads needs only to read, and whoever only locks needs nothing of the schedules, so what is looked at are
the tables that the packets in question share. A server says what a user may do in many places, with roles and
patterns; so it is asked by statements that change nothing, which it refuses where it would refuse the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pymysql import err

from tasker.errors import TaskerError
from tasker.store.mysql._errors import in_one_line, is_not_allowed
from tasker.store.mysql._literals import Sql
from tasker.store.mysql._packets import Packet, changing
from tasker.store.mysql._session import Session

_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ALL_BUT_DELETE = ("SELECT", "INSERT", "UPDATE")

Needs = Mapping[str, tuple[str, ...]]
"""The privileges on each table."""

_NEEDED: tuple[Needs, ...] = (
    {
        "tasker_bell": _ALL_BUT_DELETE,
        "tasker_schedule": _ALL,
        "tasker_run": _ALL,
        "tasker_instance": _ALL,
    },
    {"tasker_lock": _ALL_BUT_DELETE},
    {"tasker_state": _ALL},
)
"""Tables that are used together, and the privileges on each."""

_CHANGES = ("INSERT ", "UPDATE ", "DELETE ")

_HARMLESS: Mapping[str, str] = {
    "SELECT": "SELECT `namespace` FROM {table} WHERE 1 = 0",
    "INSERT": "INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",
    "UPDATE": "UPDATE {table} SET `namespace` = '' WHERE 1 = 0",
    "DELETE": "DELETE FROM {table} WHERE 1 = 0",
}


@cache
def needs_of(packet: Packet) -> Needs | None:
    """Return what whoever runs a packet needs, with all that belongs to it; `None` if it changes nothing.

    What only reads is left to the server, whose refusal comes at once and names the table.
    """
    if not any(statement.startswith(_CHANGES) for statement in packet.statements):
        return None
    return next(needs for needs in _NEEDED if any(f".`{table}`" in packet.text for table in needs))


def check(session: Session, database: Sql, needs: Needs) -> None:
    """Refuse to work as a user who may not do what it will have to do.

    Raises:
        TaskerError: Privileges are missing; the message has the statements that grant them.
        pymysql.MySQLError: Something else went wrong.
    """
    pairs = [(table, privilege) for table, privileges in needs.items() for privilege in privileges]
    said = _refusal(session, database, *pairs)
    if said is None:
        return
    missing: dict[str, list[str]] = {}
    for table, privilege in pairs:
        if _refusal(session, database, (table, privilege)) is not None:
            missing.setdefault(table, []).append(privilege)
    grants = "; ".join(f"GRANT {', '.join(lacking)} ON {database}.{table} TO …" for table, lacking in missing.items())
    raise TaskerError(f"the user of the store lacks privileges, let an administrator do this: {grants} ({said})")


def _refusal(session: Session, database: Sql, *pairs: tuple[str, str]) -> str | None:
    """Return how the server refuses one of the pairs of a table and a privilege, or `None` if it does not."""
    statements = (_HARMLESS[privilege].format(table=f"{database}.`{table}`") for table, privilege in pairs)
    try:
        session.results(changing(*statements, has_batch=False), {})
    except err.MySQLError as error:
        if not is_not_allowed(error):
            raise
        session.rows("ROLLBACK AND NO CHAIN NO RELEASE")
        return in_one_line(error)
    return None
