"""Names that a user chooses and that end up in SQL: checked when the store is built."""

from __future__ import annotations

from tasker.store._namespace import checked_identifier

_LONGEST_DATABASE = 64


def checked_database(name: str) -> str:
    """Return the name of a database for tasker's tables, if it is a plain identifier.

    Raises:
        TypeError: It is no string.
        ValueError: It is no identifier of at most 63 characters.
    """
    return checked_identifier(name, "database")


def quoted(name: str) -> str:
    """Return the name of a database that exists, or may exist, as an identifier for SQL, whatever is in it.

    Raises:
        TypeError: It is no string.
        ValueError: No database can have this name.
    """
    if not isinstance(name, str):
        raise TypeError(f"database: expected a string, got {name!r}")
    if not 1 <= len(name) <= _LONGEST_DATABASE or "\0" in name or name.endswith(" "):
        raise ValueError(f"database: expected a name of 1 to {_LONGEST_DATABASE} characters without NUL, got {name!r}")
    doubled = name.replace("`", "``")
    return f"`{doubled}`"
