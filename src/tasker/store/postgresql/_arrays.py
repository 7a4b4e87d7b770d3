"""Lists as PostgreSQL array literals.

Written here because the driver writes them one item at a time through its adapters, which took a third of the time of a
batch. The literals travel as parameters, so nothing in them can become SQL.
"""

from __future__ import annotations

from collections.abc import Iterable


def integers(values: Iterable[int | None]) -> str:
    """Return the literal of a `bigint[]`."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Return the literal of a `text[]`."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    # Most ids need no escape, and looking costs less than replacing.
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
