"""Where the server is and how tasker connects to it. Passwords go in here and do not come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tasker.errors import StoreUnavailable
from tasker.store.postgresql._session import Connection

T = TypeVar("T")

_SCHEMES = ("postgresql://", "postgres://")
_OURS = ("autocommit", "row_factory", "cursor_factory", "prepare_threshold")
"""Arguments of `psycopg.connect` that are set here whatever the connections of a pool have."""


class Target:
    """The parameters of a connection of tasker's own.

    What the user did not say is set here: keepalives and a limit on unacknowledged data, so that a dead peer is
    noticed; a limit on the wait for locks, so that calls that were given up do not pile up in the server behind a table
    that an administrator has locked; and a primary, where several hosts are named.
    """

    def __init__(
        self,
        conninfo: str | Callable[[], str],
        options: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        *,
        call_limit: float,
    ) -> None:
        """Understand where to connect; nothing is opened.

        Args:
            conninfo: A URL or a list of `key=value`, as libpq reads them; or a function that is asked for it at each
                attempt, as passwords may change.
            options: More parameters, and arguments of `psycopg.connect`, or a function that returns them; they win.
            call_limit: The seconds that an attempt may take.

        Raises:
            ValueError: It cannot be understood; what was given is not in the message, it may hold a password.
        """
        self._conninfo = conninfo
        self._options = options
        self._call_limit = call_limit
        self._takes_options = True
        if not callable(conninfo):
            _parsed(conninfo)

    def __str__(self) -> str:
        """Return who connects to what, without any secret."""
        if callable(self._conninfo) or callable(self._options):
            return "postgresql://…"
        given = self._parameters()
        host, port = (str(given.get(key) or "") for key in ("host", "port"))
        place = f"{host or given.get('hostaddr') or ''}{':' + port if port else ''}"
        user = f"{given['user']}@" if given.get("user") else ""
        return f"postgresql://{user}{place}/{given.get('dbname') or ''}"

    def connect(self) -> Connection:
        """Open a connection; this may take longer than the limit where a name server does not answer.

        Raises:
            psycopg.Error: It cannot be opened.
            StoreUnavailable: A function that says how has failed.
        """
        given = self._parameters()
        if self._takes_options:
            try:
                return _connect({**given, "options": self._session_options(given)}, self._defaults(given))
            except psycopg.OperationalError as error:
                # A proxy such as PgBouncer takes none: its server connections are shared.
                if "startup parameter" not in str(error):
                    raise
                self._takes_options = False
        return _connect(given, self._defaults(given))

    def _parameters(self) -> dict[str, Any]:
        conninfo = _answer_of(self._conninfo) if callable(self._conninfo) else self._conninfo
        options = _answer_of(self._options) if callable(self._options) else self._options
        parameters = {**_parsed(conninfo), **(options or {})}
        return {name: value for name, value in parameters.items() if name not in _OURS}

    def _defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        several = "," in str(given.get("host") or given.get("hostaddr") or "")
        return {
            "fallback_application_name": "tasker",
            "client_encoding": "utf8",
            "connect_timeout": max(2, math.ceil(self._call_limit)),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": max(1000, math.ceil(self._call_limit * 1000)),
            **({"target_session_attrs": "read-write"} if several else {}),
        }

    def _session_options(self, given: Mapping[str, Any]) -> str:
        # The levels above read committed answer a concurrent change with an error instead of looking again.
        ours = f"-c lock_timeout={math.ceil(self._call_limit * 1000)} -c default_transaction_isolation=read\\ committed"
        return f"{ours} {given.get('options') or ''}".rstrip()


def _answer_of(function: Callable[[], T]) -> T:
    """Return what a function of the user's says; of its failure only the type, as the text may hold a password."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - it may be any
        kind = type(error).__name__
    raise StoreUnavailable(f"cannot connect: the function that is asked for the connection's parameters raised {kind}")


def _connect(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Connection:
    return psycopg.connect("", autocommit=True, prepare_threshold=None, **{**defaults, **given})


def _parsed(conninfo: str) -> dict[str, Any]:
    if not isinstance(conninfo, str):
        raise TypeError(f"expected a PostgreSQL URL or a psycopg_pool.ConnectionPool, got {type(conninfo).__name__}")
    expected = (
        "expected a PostgreSQL URL such as postgresql://user:password@host:5432/database, or libpq's key=value form, "
        "with special characters of the password percent-encoded"
    )
    conninfo = _with_plain_scheme(conninfo)
    try:
        parameters = conninfo_to_dict(conninfo)
    except psycopg.Error:
        # The driver's own message quotes what it did not understand.
        raise ValueError(f"{expected}; what was given cannot be read") from None
    # libpq takes the first @ for the end of the password, and the rest of it for a host or a database.
    suspects = ("host", "dbname") if conninfo.startswith(_SCHEMES) else ("host",)
    if any("@" in str(parameters.get(name, "")) for name in suspects):
        raise ValueError(f"{expected}; what was given has more than one @")
    return parameters


def _with_plain_scheme(conninfo: str) -> str:
    """Return a URL with its scheme in lower case, as libpq knows no other."""
    scheme, colon, rest = conninfo.partition("://")
    return scheme.lower() + colon + rest if f"{scheme.lower()}{colon}" in _SCHEMES else conninfo
