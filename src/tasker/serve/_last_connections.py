"""The end of a listening socket at which no connection is reset.

A connection that the kernel has made, and that nobody has accepted yet, is reset when the socket is closed; under load
there always are some. So the kernel is told to begin no more, by a filter on the socket that drops each first packet.
Those that have begun are completed and accepted; then the socket is closed. Whoever tried to connect in between tries
again a second later, as TCP does, and is refused then.

Only Linux has such filters; elsewhere a connection may be lost in the moment of the close.
"""

from __future__ import annotations

import select
import socket
import struct
import sys

PAUSE = 0.02
"""Seconds in which connections that have begun are completed."""

_SO_ATTACH_FILTER = 26
_ACK = 0x10
# For the classic BPF machine, which sees each packet from its TCP header on: what has the flag ACK is not the first
# packet of a connection, and passes.
_NO_FIRST_PACKETS = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte with the flags
        (0x45, 0, 1, _ACK),  # is that set? else skip one
        (0x06, 0, 0, 0xFFFFFFFF),  # pass
        (0x06, 0, 0, 0),  # drop
    )
)


def begin_no_more_connections(listener: socket.socket) -> None:
    """Let a listening socket get no connections but those that have begun."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - for nothing else

    program = ctypes.create_string_buffer(_NO_FIRST_PACKETS, len(_NO_FIRST_PACKETS))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(program)))
    except OSError:
        pass  # it is no socket of that kind, or a sandbox forbids it


def has_waiting(listener: socket.socket) -> bool:
    """Whether a connection waits to be accepted."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


def accept_all(listener: socket.socket) -> list[socket.socket]:
    """Return all connections that wait to be accepted by a non-blocking socket."""
    accepted: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return accepted
        connection.settimeout(0)
        accepted.append(connection)
