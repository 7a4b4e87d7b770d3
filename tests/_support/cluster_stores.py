"""The store of one instance of a cluster, from the URL that all of them are given."""

from __future__ import annotations

from urllib.parse import quote

from tasker.store import AnyStore


def store_at(url: str, *, call_limit: float, name: str = "") -> AnyStore:
    """Return a store whose calls end that soon.

    Args:
        url: Where it is.
        call_limit: The seconds that a call may take.
        name: How a PostgreSQL server calls the connections.
    """
    # Not above: a program starts sooner with one driver than with all.
    if url.startswith("sqlite:///"):
        from tasker.store import sqlite

        return sqlite.Store(url.removeprefix("sqlite:///"), call_limit=call_limit)
    if url.startswith("mysql://"):
        from tasker.store import mysql

        return mysql.Store(url, call_limit=call_limit)
    if url.startswith("redis://"):
        from tasker.store import redis

        return redis.Store(url, call_limit=call_limit)
    from tasker.store import postgresql

    return postgresql.Store(f"{url}?application_name={quote(name)}", call_limit=call_limit)
