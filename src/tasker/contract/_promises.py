"""What makes a class a suite of promises: one test method each, none of which a subclass can quietly replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

_Promise = TypeVar("_Promise", bound=Callable[..., object])
_Handle = TypeVar("_Handle")
_PREFIX = "test_"
_DEVIATION = "__tasker_deviation__"


class Promises:
    """Base of all suites; run by pytest, or by anything that calls `setup_method`, a promise, and `teardown_method`.

    A subclass that defines a promise again is refused with a `TypeError` when it is defined, unless the new method is
    marked with `deviates`: what a store does not hold should be read in its tests, not found out in production.
    """

    _promised: ClassVar[frozenset[str]] = frozenset()
    _open: list[object]

    def __init_subclass__(cls) -> None:
        """Refuse promises that are replaced without saying so."""
        super().__init_subclass__()
        bases = [base for base in cls.__bases__ if issubclass(base, Promises)]
        promised = frozenset[str]().union(*(base._promised for base in bases))  # noqa: SLF001 - of this very class
        own = frozenset(name for name in vars(cls) if name.startswith(_PREFIX))
        for name in sorted(own & promised):
            if not hasattr(getattr(cls, name), _DEVIATION):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a promise of the contract; mark it with "
                    "@tasker.contract.deviates('why') if the store cannot hold it"
                )
        cls._promised = promised | own

    def setup_method(self) -> None:
        """Begin a test with nothing open."""
        self._open = []

    def teardown_method(self) -> None:
        """Close what the test opened, the newest first."""
        while self._open:
            close = getattr(self._open.pop(), "close", None)
            if callable(close):
                close()

    def closed_after(self, handle: _Handle) -> _Handle:
        """Return the handle, which is closed after the test if it has a method `close`."""
        if not any(handle is other for other in self._open):
            self._open.append(handle)
        return handle


def deviates(reason: str) -> Callable[[_Promise], _Promise]:
    """Mark a test method that replaces a promise of the contract on purpose.

    Args:
        reason: What the store does instead, and why.

    Raises:
        ValueError: The reason is empty.
    """
    if not reason:
        raise ValueError("reason: expected a sentence that says what the store does instead, got an empty string")

    def mark(promise: _Promise) -> _Promise:
        setattr(promise, _DEVIATION, reason)
        return promise

    return mark


def promises_of(suite: type[Promises]) -> tuple[str, ...]:
    """Return the names of all test methods of a suite, sorted."""
    return tuple(sorted(suite._promised))  # noqa: SLF001 - of the class above


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until the condition holds.

    Raises:
        AssertionError: It did not hold within `seconds`.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {condition.__qualname__}"
        time.sleep(0.002)
