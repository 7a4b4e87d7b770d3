"""Scripts on the keys of a namespace: on the right connection, on a store that is the one it was, within a limit.

What a Redis server may forget is the danger here. It may restart with older data or with none, a replica that lagged
may take its place, or somebody may delete it all; and whoever held a lease relies on it until it ends. So each process
of the server has a run id, the store has a birth, and each call says which ones the caller has met. Where that has
changed, the caller greets anew (see `lua/greet.lua`), and for the length of a lease after it nobody is given one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.redis._commands import TRIALS, forbidden
from tasker.store.redis._connections import Connection
from tasker.store.redis._keys import Keys
from tasker.store.redis._scripts import Script, greeting, script
from tasker.store.redis._session import Session
from tasker.store.redis._target import Client, Target

T = TypeVar("T")

Run = Callable[[str, Sequence[bytes], Sequence[Any]], list[Any]]
"""Runs the script of an operation, with the keys of rows and with arguments, and returns its reply."""

_FORMAT = 1
_TRIES = 3


class Database:
    """Where the keys are, and the two connections that lead there. Any thread may use it.

    State: the birth that this process has met and when it last heard of it are shared by both connections; each is a
    single reference, and the newer one wins.
    """

    def __init__(self, url_or_client: str | Client, *, namespace: str, call_limit: float, tells: bool = False) -> None:
        """Understand the arguments; nothing is opened.

        Args:
            url_or_client: Where to connect.
            namespace: Whose keys these are.
            call_limit: The seconds that each step of an attempt to connect may take.
            tells: Whether who rings the bell tells those that listen.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: The URL or the namespace makes no sense.
        """
        self.keys = Keys(namespace)
        self.target = Target(url_or_client, call_limit=call_limit)
        self._operations = Connection(self.target)
        self._renewals = Connection(self.target)
        self._channel = (self.keys.channel,) if tells else ()
        self._known = b""
        self._heard = 0

    def run(self, limit: float, name: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> list[Any]:
        """Run a script, giving it up after `limit` seconds."""
        deadline = time.monotonic() + limit
        return self._reply(self._operations.run(self._asking(name, keys, arguments), deadline, limit))

    def command(self, limit: float, *command: bytes) -> Any:  # noqa: ANN401 - what the server says
        """Run a command that only reads, giving it up after `limit` seconds."""
        deadline = time.monotonic() + limit
        return self._operations.run(lambda session: session.call(*command), deadline, limit)

    def in_a_hurry(self, limit: float) -> Run:
        """Return a function that runs scripts on the connection for renewals, which waits for no other call.

        All of them together are given up `limit` seconds from now.
        """
        deadline = time.monotonic() + limit

        def run(name: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> list[Any]:
            return self._reply(self._renewals.run(self._asking(name, keys, arguments), deadline, limit))

        return run

    def close(self) -> None:
        """Close the connections; the next operation opens them again."""
        self._operations.close()
        self._renewals.close()

    def _asking(self, name: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Callable[[Session], bytes]:
        """Return what asks the server, with all that takes time done before it is anybody's turn."""
        operation = script(name)
        all_keys = (*self.keys.own, *keys)
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode()
        return lambda session: self._answer(session, operation, all_keys, text)

    def _reply(self, answer: bytes) -> list[Any]:
        # Bytes that are no UTF-8 can only be another's; they are shown, and must not hide the rest.
        reply: list[Any] = json.loads(answer.decode("utf-8", "surrogateescape"))
        self._heard = max(self._heard, int(reply[0]))
        return reply

    def _answer(self, session: Session, operation: Script, keys: Sequence[bytes], text: bytes) -> bytes:
        run_id = session.server.run_id.encode()
        for _ in range(_TRIES):
            birth = session.birth or self._greet(session)
            answer: bytes | None = session.evaluate(operation, keys, (run_id, birth, text, *self._channel))
            if answer is not None:
                return answer
            session.birth = None
        raise StoreUnavailable("the store was deleted again and again while it was asked")

    def _greet(self, session: Session) -> bytes:
        known, heard = (self._known, b"%d" % self._heard) if self._known else (b"", b"")
        about = (session.server.run_id.encode(), b"%d" % session.server.began, known, heard)
        answer: list[bytes] = session.evaluate(greeting(), (self.keys.meta, self.keys.trial), (*about, TRIALS))
        if answer[0] == b"forbidden":
            raise forbidden([command.decode() for command in answer[1:]])
        if int(answer[0]) > _FORMAT:
            raise TaskerError(f"a newer version of tasker has changed the format of the keys to {int(answer[0])}")
        session.birth = self._known = answer[1]
        return answer[1]
