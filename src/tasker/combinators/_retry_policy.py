"""Whether a task that has failed is run again, and when: decisions without waiting.

Two rules for how often, by whether there is a window:

- Without one, as for a piece of work: `attempts` runs in all.
- With one, as a supervisor keeps something that is to live for ever: it is given up at the failure that makes
  `attempts` within the window. That is Erlang's rule, whose *intensity* counts the restarts that are allowed within a
  *period*: it is `attempts - 1` here.

In both, what failed before a healthy run is forgotten; see `Backoff.reset_after`.
"""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast

from tasker._core.callables import call_of
from tasker._core.durations import Duration, seconds_of
from tasker._core.leaving import members_of
from tasker.combinators._backoff import Backoff
from tasker.combinators._failures import matches
from tasker.errors import LeaseLost

RetryOn = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""Which errors are worth another run: a type, several in a tuple, or a function that says so of an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a task that fails is run again: the arguments of `with_retry` as a value.

    Attributes:
        attempts: How often it is run at most, the first run included; 1 or more. `None` means without limit.
        on: Which errors are worth another run: a type, several in a tuple, or a function that says so of an error; it
            is called on the event loop, so it must not block. A group of errors matches types if every error in it
            does; a function gets the group as it is. A cancellation never matches, nor does `LeaseLost`, `SystemExit`
            or `KeyboardInterrupt`, also as one of several in a group.
        backoff: How long to wait before the next run.
        within: Count only what failed within so long before a failure: for tasks that live for ever, and may fail now
            and then. `None` means that everything counts.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: One is out of its range, or there is a window without a number of attempts.
    """

    attempts: int | None = 5
    on: RetryOn = Exception
    backoff: Backoff = field(default_factory=Backoff)
    within: Duration | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None:
            _check_attempts(self.attempts)
        _check_on(self.on)
        if not isinstance(self.backoff, Backoff):
            raise TypeError(f"backoff: expected a Backoff, as in Backoff(initial=1), got {self.backoff!r}")
        if self.within is not None:
            if self.attempts is None:
                raise ValueError("within: expected a number of attempts with it, got attempts=None, which has no limit")
            object.__setattr__(self, "within", seconds_of(self.within, "within", positive=True))

    def covers(self, error: Exception) -> bool:
        """Whether an error is worth another run, if there is one left."""
        if _has_lost_a_lease(error):
            return False
        types = _types_in(self.on)
        if types is None:
            return bool(cast("Callable[[Exception], bool]", self.on)(error))
        return matches(error, cast("tuple[type[Exception], ...]", types))


class Again(NamedTuple):
    """The task is run again.

    Attributes:
        seconds: After how long.
        counted: How people count the failure, such as "run 2 of 5".
    """

    seconds: float
    counted: str


class GiveUp(NamedTuple):
    """The error is raised.

    Attributes:
        note: What is noted on it; empty if there is nothing to say.
    """

    note: str


class Tries:
    """The runs of one task under a policy; for one thread at a time."""

    def __init__(self, policy: Retry, name: str) -> None:
        """Begin before the first run of the task `name`."""
        self._policy = policy
        self._name = name
        self._window = math.inf if policy.within is None else seconds_of(policy.within, "within")
        healthy_after = policy.backoff.reset_after
        self._healthy_after = self._window if healthy_after is None else seconds_of(healthy_after, "reset_after")
        self._in_a_row = 0
        # Of those that may count, the instants; there are never more than `attempts`.
        self._failed_at: deque[float] = deque(maxlen=policy.attempts or 0)
        self.runs = 0
        """How often it has failed, whatever is forgotten."""

    def decide(self, error: Exception, now: float, lasted: float, remaining: float) -> Again | GiveUp:
        """Decide about a run that has failed.

        Args:
            error: What it failed with.
            now: When, in seconds.
            lasted: How long it ran.
            remaining: The seconds until its context ends; 0 if it has ended.
        """
        self.runs += 1
        if lasted >= self._healthy_after:
            self._in_a_row = 0
            self._failed_at.clear()
        self._in_a_row += 1
        self._failed_at.append(now)
        failures = self._count(now)
        if not self._policy.covers(error):
            return self._give_up("an error like this is not retried") if self.runs > 1 else GiveUp("")
        if failures == self._policy.attempts:
            return self._give_up("" if self._policy.within is None else f"{failures} failed {self._within()}")
        if remaining == 0:
            return self._give_up("its context has ended")
        seconds = self._policy.backoff.wait(self._in_a_row)
        if seconds >= remaining:
            return self._give_up(f"its context ends before the next, which is due in {seconds:.3g} s")
        return Again(seconds, self._counted(failures))

    def _count(self, now: float) -> int:
        """Return how many failures count towards the limit, this one included."""
        if self._policy.attempts is None:
            return self._in_a_row
        while now - self._failed_at[0] > self._window:
            self._failed_at.popleft()
        return len(self._failed_at)

    def _give_up(self, reason: str) -> GiveUp:
        note = f"with_retry: {self._name!r} was given up after {_runs(self.runs)}"
        return GiveUp(f"{note}: {reason}" if reason else note)

    def _counted(self, failures: int) -> str:
        if self._policy.attempts is None:
            return f"run {failures}"
        if self._policy.within is None:
            return f"run {failures} of {self._policy.attempts}"
        return f"failure {failures} of {self._policy.attempts} {self._within()}"

    def _within(self) -> str:
        return f"within {self._window:g} s"


def _check_attempts(attempts: object) -> None:
    if not isinstance(attempts, int) or isinstance(attempts, bool):
        raise TypeError(f"attempts: expected a whole number, or None for no limit, got {attempts!r}")
    if attempts < 1:
        raise ValueError(f"attempts: expected 1 or more, since the first run counts, got {attempts}")


def _types_in(on: object) -> tuple[object, ...] | None:
    """Return what stands for types, checked or not; `None` if a function is to decide."""
    if isinstance(on, tuple):
        return cast("tuple[object, ...]", on)
    return (on,) if isinstance(on, type) else None


def _check_on(on: object) -> None:
    types = _types_in(on)
    if types is not None:
        for each in types:
            if not (isinstance(each, type) and issubclass(each, Exception)):
                raise TypeError(f"on: expected classes derived from Exception, got {each!r}; all else is never retried")
            if issubclass(each, LeaseLost):
                raise TypeError("on: LeaseLost is never retried, since what it protected may belong to another by now")
        if not types:
            raise ValueError("on: expected at least one class of exceptions, got an empty tuple")
    elif not callable(on):
        raise TypeError(f"on: expected a class of exceptions, several in a tuple, or a function, got {on!r}")
    elif not _takes_an_error(on):
        raise TypeError(f"on: expected a function of one argument, the error, got {on!r}")
    elif call_of(partial(on, ValueError())).is_async:
        raise TypeError(f"on: expected a plain function of the error, got the async {on!r}")


def _takes_an_error(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(ValueError())
    except ValueError:
        return True  # built in C without a signature
    except TypeError:
        return False
    return True


def _has_lost_a_lease(error: BaseException) -> bool:
    members = members_of(error)
    return isinstance(error, LeaseLost) if members is None else any(_has_lost_a_lease(each) for each in members)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
