"""Where the server is and how tasker connects to it. Passwords go in here and do not come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasker.store.redis._session import Wire

T = TypeVar("T")
Client = redis.Redis | redis.RedisCluster

_SCHEMES = ("redis", "rediss", "unix")
_OTHER_NAMES = {"valkey": "redis", "valkeys": "rediss"}
_NOT_OURS = ("maint", "oss_cluster", "orig_")
"""How the arguments begin that tie a connection to the pool it is made for."""

_EXPECTED = (
    "expected a Redis URL such as redis://user:password@host:6379/0, rediss://… or unix:///path/to/socket?db=0, "
    "with special characters of the password percent-encoded"
)


class _Pool(Protocol):
    connection_class: Callable[..., Any]
    connection_kwargs: Mapping[str, Any]


class Target:
    """The parameters of a connection of tasker's own, made as a URL says or as a client of the user's makes its own.

    Nothing is tried twice by the driver: a script must not run again unnoticed, and a call has its limit.
    In a cluster, `follow` leads to the server that has the keys.
    """

    def __init__(self, url_or_client: str | Client, *, call_limit: float) -> None:
        """Understand where to connect; nothing is opened.

        Args:
            url_or_client: A URL, or a client, which is not used for anything but its settings.
            call_limit: The seconds that each step of an attempt may take.

        Raises:
            TypeError: It is neither.
            ValueError: The URL cannot be understood; it is not in the message, as it may hold a password.
        """
        self._call_limit = call_limit
        self._pool = url_or_client if isinstance(url_or_client, redis.RedisCluster) else _pool_of(url_or_client)
        # A pool that is led by a sentinel lives only as long as its client.
        self._client = url_or_client
        self._place: Mapping[str, Any] | None = None
        self._tries = 0
        if isinstance(url_or_client, str):
            _understood(self._made, "has an option that is unknown or makes no sense")

    def __str__(self) -> str:
        """Return where this leads to, without any secret."""
        if isinstance(self._pool, redis.RedisCluster):
            return "redis://… (a cluster)"
        given = self._settings()
        if "path" in given:
            return f"unix://{given['path']}?db={given.get('db') or 0}"
        if "connection_pool" in given:
            return "redis://… (by a sentinel)"
        user = f"{given['username']}@" if given.get("username") else ""
        host = f"{given.get('host') or 'localhost'}:{given.get('port') or 6379}"
        return f"redis://{user}{host}/{given.get('db') or 0}"

    def connect(self) -> Wire:
        """Open a connection; this may take longer than the limit where a name server does not answer.

        Raises:
            RedisError: It cannot be opened.
        """
        wire = self._made()
        try:
            wire.connect()
        except BaseException:
            wire.disconnect()
            raise
        return wire

    def look_elsewhere(self) -> None:
        """Note that an attempt has failed: in a cluster, the next one asks another server where the keys are."""
        self._place = None
        self._tries += 1

    def follow(self, host: str, port: int) -> None:
        """Connect to another server of the cluster from now on, until an attempt fails."""
        if isinstance(self._pool, redis.RedisCluster):
            host, port = self._pool.nodes_manager.remap_host_port(host, port)
        self._place = {**(self._place or {}), "port": port, **({"host": host} if host else {})}

    def _made(self) -> Wire:
        return cast("Wire", self._source().connection_class(**{**self._settings(), **(self._place or {})}))

    def _source(self) -> _Pool:
        """Return the pool whose connections are the model for ours: in a cluster, that of another node in each try."""
        if not isinstance(self._pool, redis.RedisCluster):
            return self._pool
        cluster: Any = self._pool
        nodes = sorted(cluster.get_nodes(), key=lambda node: str(node.name))
        if not nodes:
            raise redis.ConnectionError("the cluster client knows no node")
        return cast("_Pool", cluster.get_redis_connection(nodes[self._tries % len(nodes)]).connection_pool)

    def _settings(self) -> dict[str, Any]:
        given = self._source().connection_kwargs
        return {name: value for name, value in given.items() if not name.startswith(_NOT_OURS)} | {
            "decode_responses": False,
            "health_check_interval": 0,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "retry_on_timeout": False,
            "socket_connect_timeout": self._call_limit,
            "socket_timeout": self._call_limit,
        }


def _pool_of(url_or_client: str | Client) -> _Pool:
    if isinstance(url_or_client, str):
        return _pool_at(_checked(url_or_client))
    if not isinstance(url_or_client, redis.Redis):
        raise TypeError(
            "expected a Redis URL, or a client of redis-py: redis.Redis or redis.RedisCluster, not an asyncio one; "
            f"got {type(url_or_client).__module__}.{type(url_or_client).__name__}"
        )
    pool = url_or_client.connection_pool
    if not getattr(pool, "is_master", True):
        raise ValueError("expected a client that writes, got one that a sentinel leads to replicas; use master_for")
    return cast("_Pool", pool)


def _pool_at(url: str) -> _Pool:
    pool_class: Any = redis.ConnectionPool
    return cast("_Pool", _understood(lambda: pool_class.from_url(url), "has an option that makes no sense"))


def _understood(read: Callable[[], T], otherwise: str) -> T:
    """Return what the driver makes of a URL, or refuse it without a trace of what it says: that may be a password.

    Raises:
        ValueError: The driver cannot read it.
    """
    try:
        return read()
    except Exception:  # noqa: BLE001 - whatever it is
        refusal = ValueError(f"{_EXPECTED}; what was given {otherwise}")
    raise refusal


def _checked(url: str) -> str:
    """Return a URL as the driver takes it.

    Raises:
        ValueError: It cannot be understood.
    """
    scheme, colon, rest = url.partition(":")
    scheme = _OTHER_NAMES.get(scheme.lower(), scheme.lower())
    if scheme not in _SCHEMES or not rest.startswith("//"):
        raise ValueError(f"{_EXPECTED}; what was given cannot be read")
    parts = _understood(lambda: _split(scheme + colon + rest), "cannot be read")
    # What stands before a ? or # of the password would be a port, and is no secret.
    if "@" in parts.query + parts.fragment:
        raise ValueError(f"{_EXPECTED}; what was given has an @ after a ? or #, which are %40, %3F and %23")
    # The driver would take the first / for the end of the host and the rest of the password for nothing at all.
    is_number = parts.path.strip("/").isdecimal() or parts.path in ("", "/")
    if scheme != "unix" and not is_number:
        raise ValueError(f"{_EXPECTED}; what was given has no number for a database")
    if scheme == "unix" and not parts.path.strip("/"):
        raise ValueError(f"{_EXPECTED}; what was given has no path to a socket")
    return scheme + colon + rest


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.port == 0:
        raise ValueError
    return parts
