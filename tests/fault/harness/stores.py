"""Opening the store at a URL, with a limit for each call."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tasker.ports import Store

POOL_SIZE = 2


def store_of(url: str, call_limit: float) -> Store:
    """Return the store at a URL; it connects at its first operation."""
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

    return postgresql.Store(url, call_limit=call_limit)


def pooled_store_of(url: str, call_limit: float, stack: ExitStack) -> tuple[Store, Any]:
    """Return a PostgreSQL store and the pool that it shares with the application, which the stack closes."""
    from psycopg_pool import ConnectionPool

    from tasker.store import postgresql

    pool: ConnectionPool[Any] = ConnectionPool(url, min_size=1, max_size=POOL_SIZE, open=True, timeout=call_limit)
    stack.enter_context(pool)
    return postgresql.Store(pool, call_limit=call_limit), pool
