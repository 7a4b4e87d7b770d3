"""Tells systemd, or whoever set `NOTIFY_SOCKET`, how the program is: the protocol of `sd_notify`.

A message is one datagram, which is sent without blocking, from any thread. What cannot be sent is lost, and said once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from tasker._core import clock
from tasker.combinators._lifecycle import Lifecycle

logger = logging.getLogger("tasker")


_FIRST_LOOK = 0.01
_LOOK_EVERY = 0.5


class Notifier:
    """Sends what there is to say; `close` it at the end."""

    def __init__(self, address: str, watchdog: float | None) -> None:
        """Not for use outside: see `notifier_of`."""
        self.watchdog = watchdog
        """Seconds after which the manager takes a program that says nothing for dead; `None` if it does not care."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._lock = threading.Lock()
        self._has_failed = False
        self._alive_at = -1e9

    def ready(self) -> None:
        """Say that everything has started."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the program stops."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Say that the event loop turns; as often as the watchdog wants it, however often it is called."""
        now = clock.system().monotonic()
        if self.watchdog is not None and now - self._alive_at >= self.watchdog / 4:
            self._alive_at = now
            self._send("WATCHDOG=1")

    @property
    def is_closed(self) -> bool:
        """Whether nothing is sent any more."""
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._socket.close()

    def _send(self, message: str) -> None:
        with self._lock:
            try:
                if not self.is_closed:
                    self._socket.sendto(message.encode(), self._address)
            except OSError as error:
                self._note(error)

    def _note(self, error: OSError) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        # Not in this thread, which may be that of the clock: logging may block.
        note = threading.Thread(
            target=logger.warning, args=("NOTIFY_SOCKET cannot be written to: %s", error), daemon=True
        )
        try:
            note.start()
        except RuntimeError:
            pass  # the system starts no more threads


@contextmanager
def notifying(lifecycle: Lifecycle) -> Generator[Notifier | None]:
    """Notify whoever the environment names of the life of a program, while the block runs."""
    notifier = notifier_of(os.environ)
    if notifier is None:
        yield None
        return
    lifecycle.on_stopping(notifier.stopping)
    _look_for_the_start(lifecycle, notifier, _FIRST_LOOK)
    try:
        yield notifier
    finally:
        notifier.close()


def notifier_of(environment: Mapping[str, str]) -> Notifier | None:
    """Return what the environment asks to be notified; `None` if nothing does.

    A watchdog that is meant for another process, as `WATCHDOG_PID` says, is none.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    watchdog = int(microseconds) / 1e6 if is_mine and microseconds.isdecimal() and int(microseconds) else None
    return Notifier(address, watchdog)


def _look_for_the_start(lifecycle: Lifecycle, notifier: Notifier, seconds: float) -> None:
    system = clock.system()

    def look() -> None:
        if notifier.is_closed or lifecycle.stopping is not None:
            return
        if lifecycle.not_started():
            _look_for_the_start(lifecycle, notifier, min(seconds * 2, _LOOK_EVERY))
        else:
            notifier.ready()

    system.call_at(system.monotonic() + seconds, look)
