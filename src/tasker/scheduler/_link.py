"""The driver's link to the store: what time it is there, and whether it answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol, TypeVar

from tasker._core import clock
from tasker.errors import StoreUnavailable

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
# Who has not asked again for so long asks no more: what was wanted is not needed, or somebody else has done it.
_GIVEN_UP_AFTER = 2 * _LONGEST_PAUSE


class _Reply(Protocol):
    @property
    def now(self) -> int: ...


R = TypeVar("R", bound=_Reply)
T = TypeVar("T")


class Link:
    """Asks the store, keeps its time, and paces the attempts while it is away. It belongs to the driver's thread.

    The store's time is estimated as this machine's boot time plus an offset, from the newest reply: taken for the time
    in the middle of the call. The wall clock of this machine is never looked at.

    A store may answer one question and not another: one that is read-only, or whose disk is full. So it is back only
    when each operation that failed has succeeded, or is not asked for any more.
    """

    def __init__(self) -> None:
        """Make a link to a store that has not been asked for anything yet."""
        self.on_down: Callable[[BaseException], object] = _nobody
        """Called once when the store goes away, with the error."""
        self.on_up: Callable[[float], object] = _nobody
        """Called once when it is back, with the seconds that it was away."""
        self._down_at = 0.0
        self._offset: float | None = None
        self._pause = 0.0
        self._retry_at = 0.0
        self._failing: dict[str, float] = {}
        """When each operation that fails did so last; one that is still wanted does so again within a pause."""

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

        def timed() -> R:
            now = clock.current()
            sent = now.boottime()
            reply = operation()
            self._offset = reply.now - (sent + now.boottime()) / 2 * 1_000_000
            return reply

        return self.attempt(name, timed)

    def attempt(self, name: str, operation: Callable[[], T]) -> T:
        """Call an operation whose reply does not tell the time.

        Raises:
            StoreUnavailable: It did not answer; see `seconds_until_retry`.
        """
        try:
            reply = operation()
        except StoreUnavailable as error:
            self._note_down(name, error)
            raise
        if self._failing:
            self._note_up(name)
        return reply

    def seconds_until_retry(self) -> float:
        """Return how long not to ask the store for anything: zero while it answers."""
        return max(0.0, self._retry_at - clock.current().boottime()) if self.is_down else 0.0

    def _note_up(self, name: str) -> None:
        now = clock.current().boottime()
        self._failing.pop(name, None)
        self._failing = {each: at for each, at in self._failing.items() if at > now - _GIVEN_UP_AFTER}
        if not self._failing:
            self._pause = 0.0
            self.on_up(now - self._down_at)

    def _note_down(self, name: str, error: StoreUnavailable) -> None:
        if not self.is_down:
            self._down_at = clock.current().boottime()
            self.on_down(error)
        self._failing[name] = clock.current().boottime()
        self._pause = min(max(_FIRST_PAUSE, self._pause * 2), _LONGEST_PAUSE)
        self._retry_at = clock.current().boottime() + self._pause * random.uniform(0.5, 1.0)


def _nobody(_: object) -> None:
    """There is nobody to tell yet."""
