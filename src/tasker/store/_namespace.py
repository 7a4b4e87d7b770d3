"""The name that keeps applications apart which share one place: the same rule for every store that has a place."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


def checked_namespace(name: str) -> str:
    """Return the name of a namespace, if it is empty or a plain identifier.

    Raises:
        TypeError: It is no string.
        ValueError: It is no identifier of at most 63 characters.
    """
    return "" if name == "" else checked_identifier(name, "namespace")


def checked_identifier(name: str, argument: str) -> str:
    """Return a name that a user chose, if it is a plain identifier.

    Args:
        name: The name.
        argument: How the error calls it.

    Raises:
        TypeError: It is no string.
        ValueError: It is no identifier of at most 63 characters.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a string, got {name!r}")
    if _IDENTIFIER.fullmatch(name) is None:
        raise ValueError(
            f"{argument}: expected an identifier (a letter or underscore, then letters, digits and underscores, "
            f"at most 63 in all), got {name!r}"
        )
    return name
