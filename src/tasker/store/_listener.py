"""Hearing the bell that other processes ring: on a connection of its own, in a thread of its own.

Nothing depends on it: whoever listens asks the store once a second all the same. So a connection that breaks is
replaced without a word, and after that the listeners are told to look, as they may have missed something. What is rung
is only a reason to look; many rings at once are one.

State: the lock guards who listens and the ear. An ear is a thread; it ends with its last listener, or when the server
says that there will be nothing to hear. A forked child leaves the connection to its parent.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol
from weakref import WeakSet

from tasker._core import threads
from tasker._core.waiting import Bell, Gate
from tasker.errors import StoreUnavailable, TaskerError
from tasker.store._watchdog import cut_off

logger: logging.Logger = logging.getLogger("tasker")

_GATHER = 0.05
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_TO_CLOSE = 1.0
_IN_VAIN = "nothing can be heard from %s, so what other instances change is seen within a second and not at once: %s"


class Line(Protocol):
    """An open connection on which the bell is heard."""

    @property
    def handle(self) -> socket.socket:
        """A second handle on its socket, by which another thread may shut it down."""
        ...

    def subscribe(self) -> None:
        """Ask the server to say when the bell is rung.

        Raises:
            StoreUnavailable: It does not for now.
            TaskerError: It never will.
        """
        ...

    def hear(self) -> bool:
        """Wait for the server to say something, and return whether that was the bell; any error ends the line."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Listener:
    """Calls back whenever the bell is heard. Any thread may use it."""

    def __init__(self, connect: Callable[[], Line], name: str) -> None:
        """Listen to nothing yet.

        Args:
            connect: Opens a connection; it may block, and raise anything.
            name: What it leads to, for messages.
        """
        self._connect = connect
        self._name = name
        self._start_afresh()
        _listeners.add(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], object]] = {}
        self._ear: _Ear | None = None

    def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back from a thread of its own, until what is returned is called."""
        token = object()
        with self._lock:
            self._callbacks[token] = callback
            if self._ear is None:
                self._ear = _Ear(self._connect, self._tell, self._name)
        return partial(self._forget, token)

    def leave_to_parent(self) -> None:
        """Forget everything without a word to the server; called in a forked child."""
        if self._ear is not None:
            _of_parent.append(self._ear)
        self._start_afresh()

    def _forget(self, token: object) -> None:
        with self._lock:
            self._callbacks.pop(token, None)
            if self._callbacks or self._ear is None:
                return
            ear, self._ear = self._ear, None
        ear.end()

    def _tell(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()


def silence() -> None:
    """Stop listening to nothing."""


class _Ear:
    """A thread that hears the bell until it is told to end."""

    def __init__(self, connect: Callable[[], Line], tell: Callable[[], object], name: str) -> None:
        self._connect = connect
        self._tell = tell
        self._name = name
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._is_over = self._has_worked = False
        self._pause = _FIRST_PAUSE
        self._bell = Bell()
        self._end = Gate()
        threads.start("tasker-listener", self._run)

    def end(self) -> None:
        """End the thread and its connection; one that is being opened just now is closed when it is there."""
        with self._lock:
            self._is_over = True
            line = self._line
            if line is not None:
                cut_off(line.handle)
        self._bell.ring()
        if line is not None:
            self._end.wait(_TO_CLOSE)

    def _run(self) -> None:
        while not self._is_over and self._listen():
            self._bell.wait(self._pause * random.uniform(0.5, 1.0))
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._end.open()

    def _listen(self) -> bool:
        """Listen until the connection ends, and tell whether another one may be better."""
        try:
            self._use(self._connect())
        except TaskerError as error:
            if not (isinstance(error, StoreUnavailable) or self._has_worked):
                logger.warning(_IN_VAIN, self._name, error)
                return False
        except Exception as error:  # noqa: BLE001 - any may pass, and its text may hold a password
            logger.debug("nothing is heard from %s for now: %s", self._name, type(error).__name__)
        return True

    def _use(self, line: Line) -> None:
        try:
            with self._lock:
                if self._is_over:
                    return
                self._line = line
            line.subscribe()
            self._has_worked = True
            self._pause = _FIRST_PAUSE
            self._tell()  # of what was rung before
            while not self._is_over:
                if line.hear():
                    self._tell()
                    self._bell.wait(_GATHER)
        finally:
            with self._lock:
                self._line = None
            line.close()


_listeners: WeakSet[Listener] = WeakSet()
_of_parent: list[_Ear] = []
"""Ears of the process that this one was forked from: closing their connections would end the parent's sessions."""


def _leave_to_parent() -> None:
    for listener in list(_listeners):
        listener.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
