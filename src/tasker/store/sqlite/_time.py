"""The store's clock: the machine's wall clock, which all processes on it share."""

from __future__ import annotations

from tasker._core import clock


def now() -> int:
    """Return the time in microseconds; ask inside a transaction, so that a later writer never reads an earlier one."""
    return round(clock.current().time() * 1_000_000)
