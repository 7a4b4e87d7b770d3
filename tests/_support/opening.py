"""Opening a store at a URL with a limit for its calls; a program that does so imports no driver but its own."""

from __future__ import annotations

from tasker.store import AnyStore


def store_at(url: str, call_limit: float) -> AnyStore:
    """Return a store whose calls end within the limit."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from tasker.store import sqlite

        return sqlite.Store(url.removeprefix("sqlite:///"), call_limit=call_limit)
    if scheme == "postgresql":
        from tasker.store import postgresql

        return postgresql.Store(url, call_limit=call_limit)
    if scheme == "mysql":
        from tasker.store import mysql

        return mysql.Store(url, call_limit=call_limit)
    from tasker.store import redis

    return redis.Store(url, call_limit=call_limit)
