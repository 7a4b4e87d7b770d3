"""One open connection as the operations see it: commands go in, answers come out."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from typing import Any, Protocol

from redis.exceptions import NoPermissionError, NoScriptError

from tasker.store._watchdog import duplicate_of
from tasker.store.redis._commands import AT_FIRST, forbidden
from tasker.store.redis._handshake import Server, server_of
from tasker.store.redis._scripts import Script


class Wire(Protocol):
    """What is used of the driver's connection; it has no types for that."""

    def connect(self) -> None:
        """Open it, and say who we are."""
        ...

    def disconnect(self) -> None:
        """Close it."""
        ...

    def send_packed_command(self, command: Sequence[bytes], check_health: bool = ...) -> None:  # noqa: FBT001 - theirs
        """Send bytes."""
        ...

    def read_response(self, disable_decoding: bool = ...) -> Any:  # noqa: FBT001, ANN401 - theirs; what a server says
        """Wait for an answer."""
        ...


class Session:
    """A connection to one process of the server; it belongs to one call at a time.

    Attributes:
        server: The process at the other end.
        birth: Which store it holds, as the last greeting found it; `None` if nobody has asked.
        socket: The driver's socket.
        handle: A second handle on the socket.
    """

    def __init__(self, wire: Wire) -> None:
        """Shake hands over an open connection.

        Raises:
            RedisError: The server does not answer.
            TaskerError: It will never do.
            StoreUnavailable: It will not do now.
        """
        self._wire = wire
        self.server: Server = self._shake_hands()
        self.birth: bytes | None = None
        self.socket: socket.socket = _socket_of(wire)
        self.handle: socket.socket = duplicate_of(self.socket.fileno())

    def _shake_hands(self) -> Server:
        self._send(*AT_FIRST)
        missing: dict[str, None] = {}
        answers: list[Any] = []
        for name, *_ in AT_FIRST:
            try:
                answers.append(self._receive())
            except NoPermissionError:
                missing[name.decode()] = None
            except NoScriptError:
                pass  # as it must be
        if missing:
            raise forbidden(list(missing))
        clock, about_server, about_memory, _ = answers
        info = "\n".join(each.decode("utf-8", "replace") for each in (about_server, about_memory))
        return server_of((int(clock[0]), int(clock[1])), info)

    @property
    def was_ended(self) -> bool:
        """Whether the other side has ended the idle connection, found out without asking it."""
        try:
            poll = select.poll()
            poll.register(self.socket.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def call(self, *command: bytes) -> Any:  # noqa: ANN401 - what a server says
        """Send a command and return the answer, as bytes and lists of bytes."""
        self._send(command)
        return self._receive()

    def evaluate(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:  # noqa: ANN401 - as above
        """Run a script and return its answer."""
        rest = (b"%d" % len(keys), *keys, *arguments)
        try:
            return self.call(b"EVALSHA", script.digest, *rest)
        except NoScriptError:
            return self.call(b"EVAL", script.source, *rest)

    def close(self) -> None:
        """Close the connection."""
        self._wire.disconnect()
        self.handle.close()

    def _send(self, *commands: Sequence[bytes]) -> None:
        self._wire.send_packed_command([packed(command) for command in commands], check_health=False)

    def _receive(self) -> Any:  # noqa: ANN401 - what a server says
        return self._wire.read_response(disable_decoding=True)


def packed(command: Sequence[bytes]) -> bytes:
    """Return a command as the protocol has it; the driver's own function takes four times as long."""
    return b"*%d\r\n" % len(command) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in command])


def _socket_of(wire: Any) -> socket.socket:  # noqa: ANN401 - the driver's
    sock: socket.socket = wire._sock  # noqa: SLF001 - there is no other way to it
    return sock
