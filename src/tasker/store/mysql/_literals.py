"""Values as SQL literals that mean the same whatever the session is set to.

The driver would write values into the statement as quoted strings, whose meaning depends on `sql_mode` and on the
character set of the session; behind a proxy both may be someone else's. So texts travel as hexadecimal digits, which
nothing can misread, and a batch of rows as one JSON array of numbers and such digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NewType

from tasker.errors import TaskerError

Sql = NewType("Sql", str)
"""A literal; only what was made here gets into a statement."""

Cell = str | int | None
"""What a row of a batch holds: digits of a text, or a number."""

_LONGEST = 1020
"""The bytes of an id: 255 characters of any kind."""

_LONGEST_OWNER = 255
_LONGEST_TEXT = 500_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


def text(value: str) -> Sql:
    """Return the literal of a text for people; what cannot be stored is written in another way."""
    return Sql(f"x'{words(value)}'")


def owner_literal(value: str) -> Sql:
    """Return the literal of an owner, or of a namespace.

    Raises:
        TaskerError: It cannot be stored as it is.
    """
    return Sql(f"x'{_exact(value, 'owner', _LONGEST_OWNER)}'")


def key_literal(value: str) -> Sql:
    """Return the literal of an id.

    Raises:
        TaskerError: It cannot be stored as it is.
    """
    return Sql(f"x'{key(value)}'")


def number(value: int | None) -> Sql:
    """Return the literal of a whole number.

    Raises:
        TaskerError: It has more than 64 bits.
    """
    return Sql("NULL" if value is None else str(_checked(value)))


def rows(items: Iterable[Sequence[Cell]]) -> Sql:
    """Return the literal of a batch of rows.

    Raises:
        TaskerError: A number in it has more than 64 bits; the server would take the nearest one that has not.
    """
    listed = [[cell if cell is None or isinstance(cell, str) else _checked(cell) for cell in row] for row in items]
    return Sql(f"'{json.dumps(listed, separators=(',', ':'))}'")


def key(value: str) -> str:
    """Return the digits of an id or key, which is compared byte for byte.

    Raises:
        TaskerError: It is too long, or no text: it would become another one on its way.
    """
    return _exact(value, "id", _LONGEST)


def owner_digits(value: str) -> str:
    """Return the digits of an owner.

    Raises:
        TaskerError: It cannot be stored as it is.
    """
    return _exact(value, "owner", _LONGEST_OWNER)


def words(value: str) -> str:
    """Return the digits of a text for people.

    A lone surrogate, as in some tracebacks, is written as an escape, and of an endless text only the beginning.
    """
    return value[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").hex()


def text_of(digits: str) -> str:
    """Return the text that digits stand for."""
    return decoded(bytes.fromhex(digits))


def decoded(data: bytes) -> str:
    """Return a text that was stored; bytes that are none are shown as escapes."""
    return data.decode("utf-8", "backslashreplace")


def _exact(value: str, argument: str, at_most: int) -> str:
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise TaskerError(f"{argument}: expected a text without lone surrogates, got {value!r}") from None
    if len(data) > at_most:
        raise TaskerError(f"{argument}: expected at most {at_most} bytes in UTF-8, got {len(data)}: {value[:100]!r}…")
    return data.hex()


def _checked(value: int) -> int:
    if not _LOWEST <= value <= _HIGHEST:
        raise TaskerError(f"expected a number of at most 64 bits, got {value}")
    return int(value)
