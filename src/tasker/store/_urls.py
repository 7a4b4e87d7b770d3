"""Opening a store by its URL; the module of a store, and so its driver, is imported only then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote

from tasker.errors import TaskerError
from tasker.ports import LeaseStore, Store

_KNOWN = (
    "memory: (nothing to install), sqlite:///relative/path.db or sqlite:////absolute/path.db (nothing to install), "
    "postgresql://user:password@host/database (pip install 'py-tasker[postgresql]'), "
    "mysql://user:password@host/database or mariadb://… (pip install 'py-tasker[mysql]'), "
    "redis://user:password@host/0, rediss://… or unix:///path?db=0 (pip install 'py-tasker[redis]')"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LISTEN = re.compile(r"[?&]listen=([^&#]*)")
_USER_AND_PASSWORD = re.compile(r"//([^/?#@:]*):.*@", re.DOTALL)
_PASSWORD = re.compile(r"(passw(?:or)?d\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]*)", re.IGNORECASE)


class AnyStore(Store, LeaseStore, Protocol):
    """What all stores of this package are: a place for schedules and for plain locks."""


def open_store(url: str, *, namespace: str = "") -> AnyStore:
    """Return the store at a URL; it connects at its first operation, not here.

    Args:
        url: `memory:`, `sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, `postgresql://…`
            (`postgres://…` is the same), `mysql://…` (`mariadb://…` is the same), or `redis://…`, `rediss://…` and
            `unix:///path?db=0` (`valkey://…` and `valkeys://…` are the same). Each `memory:` is a new, empty store.
            `?listen=true` makes a PostgreSQL or Redis store listen; see there.
        namespace: Separates applications that share one database; ids and keys of different namespaces never meet.

    Raises:
        TypeError: The URL is no string.
        ValueError: Its scheme is unknown, or it does not say where the store is.
        TaskerError: The driver of that store is not installed, or too old.
    """
    if not isinstance(url, str):
        raise TypeError(f"store: expected a URL such as 'sqlite:///tasker.db' or a store object, got {url!r}")
    scheme = _SCHEME.match(url)
    opener = _OPENERS.get(scheme[1].lower()) if scheme else None
    if opener is None:
        raise ValueError(f"store: expected one of {_KNOWN}; got {redacted(url)!r}")
    return opener(url, namespace)


def redacted(url: str) -> str:
    """Return a URL or connection string without its password, for messages."""
    # Up to the last @, because a password may hold any character; a little too much is hidden rather than too little.
    return _PASSWORD.sub(r"\1***", _USER_AND_PASSWORD.sub(r"//\1:***@", url))


def _open_memory(url: str, namespace: str) -> AnyStore:
    if url.lower() not in ("memory:", "memory://"):
        raise ValueError(f"store: expected 'memory:' and nothing behind it, got {url!r}")
    from tasker.store import memory  # noqa: PLC0415 - a store's module is imported only when it is wanted

    return memory.Store(namespace)


def _open_sqlite(url: str, namespace: str) -> AnyStore:
    path = url.partition(":")[2]
    if not path.startswith("///") or path == "///" or "?" in path:
        raise ValueError(
            f"store: expected sqlite:///relative/path.db or sqlite:////absolute/path.db without options, got {url!r}"
        )
    from tasker.store import sqlite  # noqa: PLC0415 - see above

    return sqlite.Store(unquote(path[3:]), namespace=namespace)


def _open_postgresql(url: str, namespace: str) -> AnyStore:
    try:
        from tasker.store import postgresql  # noqa: PLC0415 - see above
    except ImportError as error:
        raise TaskerError(
            f"a PostgreSQL store needs the driver psycopg, which cannot be imported ({error}); "
            "install it: pip install 'py-tasker[postgresql]'"
        ) from error
    url, listen = _without_listen(url)
    return postgresql.Store(url, namespace=namespace, listen=listen)


def _open_mysql(url: str, namespace: str) -> AnyStore:
    try:
        from tasker.store import mysql  # noqa: PLC0415 - see above
    except ImportError as error:
        raise TaskerError(
            f"a MySQL store needs the driver PyMySQL, which cannot be imported ({error}); "
            "install it: pip install 'py-tasker[mysql]'"
        ) from error
    return mysql.Store(url, namespace=namespace)


def _open_redis(url: str, namespace: str) -> AnyStore:
    try:
        from tasker.store import redis  # noqa: PLC0415 - see above
    except ImportError as error:
        raise TaskerError(
            f"a Redis store needs the driver redis, which cannot be imported ({error}); "
            "install it: pip install 'py-tasker[redis]'"
        ) from error
    url, listen = _without_listen(url)
    return redis.Store(url, namespace=namespace, listen=listen)


def _without_listen(url: str) -> tuple[str, bool]:
    """Take the option that is tasker's out of a URL that is the driver's, and return what it says."""
    found = _LISTEN.search(url)
    if found is None:
        return url, False
    if found[1] not in ("true", "false"):
        raise ValueError(f"listen: expected true or false, got {found[1]!r}")
    rest = url[found.end() :]
    # What follows the first option becomes the first.
    joint = found[0][0] + rest[1:] if rest.startswith("&") else rest
    return url[: found.start()] + joint, found[1] == "true"


_OPENERS: dict[str, Callable[[str, str], AnyStore]] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "postgresql": _open_postgresql,
    "postgres": _open_postgresql,
    "mysql": _open_mysql,
    "mariadb": _open_mysql,
    "redis": _open_redis,
    "rediss": _open_redis,
    "unix": _open_redis,
    "valkey": _open_redis,
    "valkeys": _open_redis,
}
