"""Names of schemas and roles that end up in SQL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Return the name of something that exists, or may exist, as an identifier for SQL, whatever is in it.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty or has a NUL: nothing in PostgreSQL has such a name.
    """
    if not isinstance(name, str):
        raise TypeError(f"schema: expected a string, got {name!r}")
    if not name or "\0" in name:
        raise ValueError(f"schema: expected a name without NUL, got {name!r}")
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
