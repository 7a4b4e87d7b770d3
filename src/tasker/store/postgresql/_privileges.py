"""What the role of a store must be allowed to do, looked at before the first change and not when a run has ended.

Whoever only reads needs only to read, and whoever only locks needs nothing of the schedules, so what is looked at are
the tables that the statements in question share.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasker.errors import TaskerError
from tasker.store.postgresql._arrays import texts
from tasker.store.postgresql._names import quoted
from tasker.store.postgresql._session import Session

_ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ALL_BUT_DELETE = ("SELECT", "INSERT", "UPDATE")

_NEEDED: tuple[Mapping[str, tuple[str, ...]], ...] = (
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

_CHANGES = ("INSERT INTO {schema}", "UPDATE {schema}", "DELETE FROM {schema}")

# A table that is not there is no matter of privileges.
_LACKING = b"""
SELECT current_user::text, w.place, w.name, w.privilege
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (name, privilege, place)
WHERE NOT has_table_privilege(to_regclass($1::text || '.' || w.name), w.privilege)
ORDER BY w.place
"""

Needs = Mapping[str, tuple[str, ...]]
"""The privileges on each table."""


def needs_of(statement: str) -> Needs | None:
    """Return what whoever runs a statement needs, with all that belongs to it; `None` if it changes nothing.

    What only reads is left to the server, whose refusal comes at once and names the table.
    """
    if not any(change in statement for change in _CHANGES):
        return None
    return next(needs for needs in _NEEDED if any(f"{{schema}}.{table}" in statement for table in needs))


def check(session: Session, schema: str, needs: Needs) -> None:
    """Refuse to work as a role that may not do what it will have to do.

    Raises:
        TaskerError: Privileges are missing; the message has the statements that grant them.
    """
    pairs = [(table, privilege) for table, privileges in needs.items() for privilege in privileges]
    names, privileges = texts(table for table, _ in pairs), texts(privilege for _, privilege in pairs)
    rows = session.rows(_LACKING, quoted(schema), names, privileges)
    if not rows:
        return
    missing: dict[str, list[str]] = {}
    for _, _, table, privilege in rows:
        missing.setdefault(table, []).append(privilege)
    role = rows[0][0]
    grants = "; ".join(
        f"GRANT {', '.join(lacking)} ON {quoted(schema)}.{table} TO {quoted(role)}"
        for table, lacking in missing.items()
    )
    raise TaskerError(f"the role {role!r} of the store lacks privileges, let the owner of the tables do this: {grants}")
