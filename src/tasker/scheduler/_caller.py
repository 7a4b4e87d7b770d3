"""A thread that calls the store for the driver, one call after another, while the driver goes on.

State: the driver's thread puts calls in at one end, and this one takes them out at the other, for which a deque needs
no lock. What a call came to is written by the thread before it opens the gate, and is read by the driver's after that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tasker._core import clock, threads
from tasker._core.waiting import Bell, Gate

R = TypeVar("R")


class Call(Generic[R]):
    """A call to the store, and what it came to.

    Attributes:
        name: What the operation is called.
        error: What it raised instead of a reply, if anything.
        middle: The time in the middle of the call, as `Clock.boottime`.
    """

    __slots__ = ("_gate", "_operation", "_reply", "error", "middle", "name")

    def __init__(self, name: str, operation: Callable[[], R]) -> None:
        """Be a call that is not made yet."""
        self.name = name
        self.error: BaseException | None = None
        self.middle = 0.0
        self._operation = operation
        self._reply: list[R] = []
        self._gate = Gate()

    @property
    def is_over(self) -> bool:
        """Whether it has been made."""
        return self._gate.is_open

    @property
    def reply(self) -> R:
        """What was replied; only if there was no error."""
        return self._reply[0]

    def make(self) -> None:
        """Make it, in this thread."""
        now = clock.current()
        sent = now.boottime()
        try:
            self._reply.append(self._operation())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken in
            self.error = error
        self.middle = (sent + now.boottime()) / 2
        self._gate.open()

    def wait(self) -> None:
        """Wait until another thread has made it; calls to a store take no longer than its limit."""
        self._gate.wait()


class Caller:
    """Makes calls in a thread of its own, which starts with the first of them; it belongs to the driver's thread."""

    def __init__(self, on_answer: Callable[[], object]) -> None:
        """Make no call yet; `on_answer` is called in the other thread after each call."""
        self._on_answer = on_answer
        self._calls: deque[Call[Any]] = deque()
        self._bell = Bell()
        self._has_thread = False
        self._is_closed = False

    def post(self, call: Call[R]) -> None:
        """Have a call made after those that were posted before.

        Raises:
            RuntimeError: The system starts no more threads.
        """
        if not self._has_thread:
            threads.start("tasker-store", self._run)
            self._has_thread = True
        self._calls.append(call)
        self._bell.ring()

    def close(self) -> None:
        """End the thread, when all calls have been made."""
        self._is_closed = True
        self._bell.ring()

    def _run(self) -> None:
        while True:
            while self._calls:
                self._calls.popleft().make()
                self._on_answer()
            if self._is_closed:
                return
            self._bell.wait(None)
