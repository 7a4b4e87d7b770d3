"""The row of one plain lock, and its state machine, for the stores that decide in Python."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LockRow:
    """A lock for one key: free without an owner, and as good as free once its lease is over.

    Attributes:
        token: The last fencing token given; it stays when the lock is freed.
        owner: Who holds the lock.
        lease_until: When it ends unless it is extended.
    """

    token: int = 0
    owner: str | None = None
    lease_until: int = 0


def is_free(row: LockRow, now: int) -> bool:
    """Tell whether anyone may take the lock."""
    return row.owner is None or row.lease_until <= now


def take(row: LockRow, owner: str, ttl: int, now: int) -> None:
    """Give a free lock to `owner` with a new token."""
    row.token = max(row.token + 1, now)
    row.owner = owner
    row.lease_until = now + ttl


def is_lock_holder(row: LockRow, owner: str, token: int) -> bool:
    """Tell whether the lock was given to `owner` under `token` and to nobody since."""
    return row.owner == owner and row.token == token
