"""The driver's link to the store: what time it is there, and whether it answers."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from tasker._core import clock
from tasker.errors import StoreUnavailable
from tasker.scheduler._caller import Call, Caller

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class _Reply(Protocol):
    @property
    def now(self) -> int: ...


R = TypeVar("R", bound=_Reply)


class Link:
    """Asks the store, keeps its time, and paces the attempts while it is away. It belongs to the driver's thread.

    The store's time is estimated as this machine's boot time plus an offset, from the newest reply: taken for the time
    in the middle of the call. The wall clock of this machine is never looked at.

    A store may answer one question and not another: one that is read-only, or whose disk is full. So it is back only
    when each operation that failed has succeeded.

    What is sent is answered while the driver goes on; the answers are taken in where the driver says so, in the order
    in which the questions were sent. Whatever else is asked waits until nothing is under way, and is answered after
    that: so no reply ever tells of what another one has done that is not known here yet.
    """

    def __init__(self, caller: Caller | None = None) -> None:
        """Make a link to a store that has not been asked for anything yet.

        Args:
            caller: Makes the calls that are sent; without one, they are made at once.
        """
        self.on_down: Callable[[BaseException], object] = _nobody
        """Called once when the store goes away, with the error."""
        self.on_up: Callable[[float], object] = _nobody
        """Called once when it is back, with the seconds that it was away."""
        self._down_at = 0.0
        self._offset: float | None = None
        self._pause = 0.0
        self._retry_at = 0.0
        self._failing: set[str] = set()
        self._caller = caller
        self._under_way: deque[tuple[Call[Any], Callable[[], object]]] = deque()

    @property
    def is_down(self) -> bool:
        """Whether the store is away, in whole or in part."""
        return bool(self._failing)

    def now(self) -> int:
        """Return the store's time, in microseconds; before the first reply, this machine's."""
        if self._offset is None:
            return round(clock.current().time() * 1_000_000)
        return round(clock.current().boottime() * 1_000_000 + self._offset)

    def ask(self, name: str, operation: Callable[[], R]) -> R:
        """Call the operation of the store that has this name.

        Raises:
            StoreUnavailable: It did not answer; see `seconds_until_retry`.
        """
        self.settle()
        call = Call(name, operation)
        call.make()
        return self._reply_to(call)

    def send(self, name: str, operation: Callable[[], R], then: Callable[[Callable[[], R]], object]) -> None:
        """Have the operation called, and go on.

        Args:
            name: What it is called.
            operation: The operation.
            then: Called when the answer is taken in, with what returns the reply, or raises what was raised instead.
        """
        call = Call(name, operation)
        take_in = partial(then, partial(self._reply_to, call))
        if self._caller is None:
            call.make()
            take_in()
        else:
            self._caller.post(call)
            self._under_way.append((call, take_in))

    def is_asking(self, name: str | None = None) -> bool:
        """Tell whether an operation (any, if none is named) was sent whose answer was not taken in yet."""
        return any(name in (None, call.name) for call, _ in self._under_way)

    def take_in(self) -> None:
        """Take in the answers that are there.

        Raises:
            StoreUnavailable: To one of them there was no answer; those after it are left for the next time.
        """
        while self._under_way and self._under_way[0][0].is_over:
            _, take_in = self._under_way.popleft()
            take_in()

    def settle(self) -> None:
        """Wait for all answers, and take them in.

        Raises:
            StoreUnavailable: See `take_in`.
        """
        while self._under_way:
            self._under_way[0][0].wait()
            self.take_in()

    def close(self) -> None:
        """Send nothing any more."""
        if self._caller is not None:
            self._caller.close()

    def seconds_until_retry(self) -> float:
        """Return how long not to ask the store for anything: zero while it answers."""
        return max(0.0, self._retry_at - clock.current().boottime()) if self.is_down else 0.0

    def _reply_to(self, call: Call[R]) -> R:
        if isinstance(call.error, StoreUnavailable):
            self._note_down(call.name, call.error)
        if call.error is not None:
            raise call.error
        reply = call.reply
        self._offset = reply.now - call.middle * 1_000_000
        if call.name in self._failing:
            self._note_up(call.name)
        return reply

    def _note_up(self, name: str) -> None:
        self._failing.remove(name)
        if not self._failing:
            self._pause = 0.0
            self.on_up(clock.current().boottime() - self._down_at)

    def _note_down(self, name: str, error: StoreUnavailable) -> None:
        if not self.is_down:
            self._down_at = clock.current().boottime()
            self.on_down(error)
        self._failing.add(name)
        self._pause = min(max(_FIRST_PAUSE, self._pause * 2), _LONGEST_PAUSE)
        self._retry_at = clock.current().boottime() + self._pause * random.uniform(0.5, 1.0)


def _nobody(_: object) -> None:
    """There is nobody to tell yet."""
