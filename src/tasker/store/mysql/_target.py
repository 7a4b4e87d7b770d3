"""Where the server is and how tasker connects to it. Passwords go in here and do not come out."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CLIENT

from tasker.store.mysql._errors import SYNTAX_ERROR, code_of
from tasker.store.mysql._link import Link
from tasker.store.mysql._session import Driver, Session

_SCHEMES = ("mysql", "mariadb")
_EXPECTED = (
    "expected a URL such as mysql://user:password@host:3306/database, with special characters of the password "
    "percent-encoded"
)
_LONGEST_IDLE = 60
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

# A client that vanishes may leave a transaction open. MariaDB has a limit for that, in a comment that only MariaDB
# reads; for MySQL, in a comment that only MySQL reads, it is that of any idle session.
_SETTINGS = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"""SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
  innodb_lock_wait_timeout = 1, lock_wait_timeout = {{limit}}
  /*M!100300 , idle_transaction_timeout = {{limit}} */
  /*!80000 , wait_timeout = {_LONGEST_IDLE} */""",
)
"""What a session is told when it begins.

No result depends on it, only how long the server waits where something is wrong: for the lock of a row, for a table
that an administrator has locked, for a client that has vanished in the middle of a transaction.
"""


class Target:
    """The parameters of a connection.

    Attributes:
        database: The database that the URL names; empty if it names none.
    """

    def __init__(self, url: str, *, call_limit: float) -> None:
        """Understand where to connect; nothing is opened.

        Args:
            url: `mysql://user:password@host:3306/database`, or the same with `mariadb:`.
            call_limit: The seconds that an attempt may take.

        Raises:
            TypeError: It is no string.
            ValueError: It cannot be understood; what was given is not in the message, it may hold a password.
        """
        self._parameters = _parsed(url)
        self._call_limit = call_limit
        self.database: str = self._parameters.get("database", "")

    def __str__(self) -> str:
        """Return who connects to what, without any secret."""
        given = self._parameters
        host, port = given.get("host", ""), given.get("port")
        place = f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
        user = f"{given['user']}@" if given.get("user") else ""
        return f"mysql://{user}{place}/{self.database}"

    def connect(self) -> Link:
        """Open a connection; this may take longer than the limit where a name server does not answer.

        Raises:
            pymysql.MySQLError: The server refuses.
            OSError: It cannot be reached.
            Exception: The driver cannot do what was asked for.
        """
        connection = Connection(**{**self._defaults(), **self._parameters})
        opened = self._open_socket(connection)
        handle = None
        try:
            # Not the driver's own handle: that of a connection with TLS is another object.
            handle = opened.dup()
            connection.connect(opened)
            return Link(connection, handle, sends_packets=self._settle(connection))
        except BaseException:
            with suppress(err.Error):
                connection.close()
            opened.close()
            if handle is not None:
                handle.close()
            raise

    def _defaults(self) -> dict[str, Any]:
        # Cells come as they are: finding out what they are would cost more than reading them.
        return {
            # Statements name theirs, but MySQL updates no rows that are joined with a batch where none is selected.
            "database": "information_schema",
            "charset": "utf8mb4",
            "client_flag": CLIENT.MULTI_STATEMENTS,
            "autocommit": None,
            "use_unicode": False,
            "conv": {},
            "defer_connect": True,
            # The watchdog is quicker; this ends the attempts that it does not watch.
            "read_timeout": self._call_limit + 1,
            "write_timeout": self._call_limit + 1,
        }

    def _open_socket(self, connection: Driver) -> socket.socket:
        if connection.unix_socket:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                opened.settimeout(self._call_limit)
                opened.connect(connection.unix_socket)
            except BaseException:
                opened.close()
                raise
            return opened
        source = (connection.bind_address, 0) if connection.bind_address else None
        opened = socket.create_connection((connection.host, connection.port), self._call_limit, source)
        self._tune(opened)
        return opened

    def _tune(self, opened: socket.socket) -> None:
        """Let a dead peer be noticed."""
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        options = {**_KEEPALIVE, "TCP_USER_TIMEOUT": max(1000, math.ceil(self._call_limit * 1000))}
        for name, value in options.items():
            if hasattr(socket, name):
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def _settle(self, connection: Driver) -> bool:
        """Set the session up; return whether it takes several statements at once."""
        statements = [statement.format(limit=max(1, math.ceil(self._call_limit))) for statement in _SETTINGS]
        session = Session(connection, sends_packets=True)
        try:
            session.rows(";\n".join(statements))
        except err.MySQLError as error:
            if code_of(error) != SYNTAX_ERROR:
                raise
        else:
            return True
        for statement in statements:
            session.rows(statement)
        return False


def _parsed(url: str) -> dict[str, Any]:
    if not isinstance(url, str):
        raise TypeError(f"{_EXPECTED}; got {type(url).__name__}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The message quotes a part of it, which may be the password.
        raise ValueError(f"{_EXPECTED}; what was given cannot be read") from None
    is_odd = parts.fragment or "@" in parts.path or re.search("%(?![0-9A-Fa-f]{2})", parts.netloc)
    # As where the password has a ?, and what stands before that would be a port.
    if "@" in parts.query:
        raise ValueError(f"{_EXPECTED}; what was given has an @ after a ?, which are %40 and %3F")
    if parts.scheme not in _SCHEMES or is_odd or "/" in parts.path[1:]:
        raise ValueError(f"{_EXPECTED}; what was given cannot be read")
    found = {
        "user": unquote(parts.username or ""),
        # As bytes, because the driver would take it for Latin-1.
        "password": unquote(parts.password or "").encode(),
        "host": unquote(parts.hostname or ""),
        "port": port,
        "database": unquote(parts.path[1:]),
    }
    return {**{name: value for name, value in found.items() if value}, **_options(parts.query)}


def _options(query: str) -> dict[str, Any]:
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"{_EXPECTED}; its options cannot be read") from None
    return {name: _option(name, value) for name, value in given}


def _option(name: str, value: str) -> str | bool:
    kind = _OPTIONS.get(name)
    if kind is None:
        # Neither is repeated: where a password has a question mark, both are parts of it.
        raise ValueError(f"{_EXPECTED}; it has an option that is not among {', '.join(_OPTIONS)}")
    return kind(name, value)


def _text(_: str, value: str) -> str:
    return value


def _flag(name: str, value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise ValueError(f"{name}: expected one of {', '.join(_FLAGS)}")
    return _FLAGS[value.lower()]


_FLAGS = {"1": True, "true": True, "0": False, "false": False}
_OPTIONS: Mapping[str, Callable[[str, str], str | bool]] = {
    "unix_socket": _text,
    "bind_address": _text,
    "program_name": _text,
    "read_default_file": _text,
    "read_default_group": _text,
    "ssl_ca": _text,
    "ssl_cert": _text,
    "ssl_key": _text,
    "ssl_verify_cert": _flag,
    "ssl_verify_identity": _flag,
    "ssl_disabled": _flag,
}
