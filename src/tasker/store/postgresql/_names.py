"""Names that a user chooses and that end up in SQL: checked when the store is built."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


def checked_schema(name: str) -> str:
    """Return the name of a database schema, if it is a plain identifier.

    Raises:
        TypeError: It is no string.
        ValueError: It is no identifier of at most 63 characters.
    """
    return _checked(name, "schema")


def checked_namespace(name: str) -> str:
    """Return the name of a namespace, if it is empty or a plain identifier.

    Raises:
        TypeError: It is no string.
        ValueError: It is no identifier of at most 63 characters.
    """
    return "" if name == "" else _checked(name, "namespace")


def _checked(name: str, argument: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a string, got {name!r}")
    if _IDENTIFIER.fullmatch(name) is None:
        raise ValueError(
            f"{argument}: expected an identifier (a letter or underscore, then letters, digits and underscores, "
            f"at most 63 in all), got {name!r}"
        )
    return name


def quoted(name: str) -> str:
    """Return a name that the server told us as an identifier for SQL, whatever is in it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
