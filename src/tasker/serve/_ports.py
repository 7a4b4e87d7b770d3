"""Where a server listens: the port, perhaps from the environment, and what is said when it cannot be had."""

from __future__ import annotations

import os
import socket

_BACKLOG = 2_048


def port_of(port: int, port_env: str | None) -> int:
    """Return the port to listen on.

    Args:
        port: The port; 0 means one that is free.
        port_env: The name of a variable of the environment that takes precedence if it is set.

    Raises:
        TypeError: The port is no number, or the name of the variable no string.
        ValueError: The port, or what the variable says, is not from 0 to 65535.
    """
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"port: expected a number, got {port!r}")
    if port_env is not None and not isinstance(port_env, str):
        raise TypeError(f"port_env: expected the name of a variable or None, got {port_env!r}")
    text = os.environ.get(port_env, "") if port_env else ""
    if text:
        if not text.strip().isascii() or not text.strip().isdecimal() or int(text) > 65_535:
            raise ValueError(f"{port_env}: expected a port from 0 to 65535, got {text!r}; set it right, or unset it")
        return int(text)
    if not 0 <= port <= 65_535:
        raise ValueError(f"port: expected a number from 0 to 65535, got {port}")
    return port


def host_of(host: str) -> str:
    """Return the host to listen on.

    Raises:
        TypeError: It is no string.
    """
    if not isinstance(host, str):
        raise TypeError(f"host: expected a string, got {host!r}")
    return host


def sockets_of(what: str, host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to all addresses of a host, not yet listening; all have the same port.

    Args:
        what: Who asks, for the message of an error.
        host: A name or an address; empty means all addresses.
        port: 0 means one that is free.

    Raises:
        OSError: One of them cannot be had.
    """
    bound: list[socket.socket] = []
    try:
        flags = socket.AI_PASSIVE
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, port, 0, socket.SOCK_STREAM, 0, flags
        ):
            listener = socket.socket(family, kind, protocol)
            bound.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port_in(bound[0]) if port == 0 and len(bound) > 1 else port, *address[2:]))
    except OSError as error:
        for listener in bound:
            listener.close()
        raise cannot_listen(what, host, port, error) from error
    return bound


def listener_of(what: str, host: str, port: int) -> socket.socket:
    """Return one socket, listening: on the first address of a host, or on all addresses if the host is empty.

    Raises:
        OSError: It cannot be had.
    """
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        family, _, _, _, address = socket.getaddrinfo(host or None, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)[
            0
        ]
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise cannot_listen(what, host, port, error) from error


def port_in(listener: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    port: int = listener.getsockname()[1]
    return port


def cannot_listen(what: str, host: str, port: int, error: OSError) -> OSError:
    """Return the error that says what was tried, and what to do."""
    import errno  # noqa: PLC0415 - only for what goes wrong

    number = error.errno or 0
    hint = {
        errno.EADDRINUSE: "; something listens there already: stop it, or choose another port (0 means a free one)",
        errno.EACCES: "; ports below 1024 are for root: choose a higher one",
        errno.EADDRNOTAVAIL: "; this machine has no such address",
    }.get(number, "")
    # Only numbers of the system are positive; those of the resolver have texts of their own.
    text = os.strerror(number) if number > 0 else error.strerror or str(error)
    return OSError(number, f"{what} cannot listen on {host or 'all addresses'}, port {port}: {text}{hint}")
