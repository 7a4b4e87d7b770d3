"""Records of history as a process keeps thousands of them: packed, out of the garbage collector's way.

The collector walks through every object that could be part of a cycle, again and again, and nothing runs meanwhile.
Tuples of numbers and strings could not, and it forgets them the first time that it sees them. An enumeration's member
is an object like any other, so its value is kept.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any

from tasker.ports import Outcome, Reason, RunRecord

Packed = tuple[Any, ...]

_PLAIN = ("at", *(field.name for field in fields(RunRecord) if field.name not in ("at", "outcome", "reason")))
_plain_of = attrgetter(*_PLAIN)


def packed(record: RunRecord) -> Packed:
    """Return a record as a tuple, which begins with when it was recorded."""
    reason = record.reason
    return (*_plain_of(record), record.outcome._value_, None if reason is None else reason._value_)


def unpacked(kept: Packed) -> RunRecord:
    """Return the record."""
    *plain, outcome, reason = kept
    facts: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
    return RunRecord(outcome=Outcome(outcome), reason=None if reason is None else Reason(reason), **facts)
