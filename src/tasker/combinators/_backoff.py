"""How long to wait before a failed task is run again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from tasker._core.durations import Duration, seconds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that grow exponentially up to a maximum, less a random part.

    Before the run that follows the n-th failure in a row, the wait is

    ```text
    longest(n) = min(maximum, initial * factor ** (n - 1))
    wait(n)    = longest(n) * (1 - jitter * random), where 0 <= random < 1
    ```

    With `jitter=1`, that is what Marc Brooker calls full jitter ("Exponential Backoff and Jitter", AWS Architecture
    Blog, 2015): any wait from nothing to the longest. It spreads out those that fail together better than the others
    he compares, and makes them call least often in all; `jitter=0.5` is his equal jitter.

    Attributes:
        initial: The longest wait after the first failure; zero means that nothing is waited for at all.
        factor: What it is multiplied by after each further failure; 1 or more.
        maximum: Where the growth ends; not less than `initial`.
        jitter: Which part of the wait is random, from 0 (none) to 1 (all of it).
        reset_after: A run that lasted at least this long before it failed counts as healthy: what failed before it is
            forgotten. Choose it longer than a failure takes to show. `None` means the window of the retry
            (`with_retry(within=…)`), and without a window: never.

    Raises:
        TypeError: An argument is of the wrong type; a `bool` is no number.
        ValueError: One is out of its range, or not finite.
    """

    initial: Duration = 0.1
    factor: float = 2.0
    maximum: Duration = 30.0
    jitter: float = 1.0
    reset_after: Duration | None = None

    def __post_init__(self) -> None:
        initial = seconds_of(self.initial, "initial")
        maximum = seconds_of(self.maximum, "maximum")
        if maximum < initial:
            raise ValueError(f"maximum: expected at least the initial wait of {initial:g} s, got {maximum:g} s")
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "factor", _number(self.factor, "factor", 1))
        object.__setattr__(self, "maximum", maximum)
        object.__setattr__(self, "jitter", _number(self.jitter, "jitter", 0, 1))
        if self.reset_after is not None:
            object.__setattr__(self, "reset_after", seconds_of(self.reset_after, "reset_after", positive=True))

    def longest(self, failures: int) -> float:
        """Return the seconds to wait at most after so many failures in a row, from 1."""
        initial, maximum = seconds_of(self.initial, "initial"), seconds_of(self.maximum, "maximum")
        try:
            return min(maximum, initial * self.factor ** (failures - 1))
        except OverflowError:  # what fails for weeks comes to powers that no float can hold
            return maximum if initial else 0.0

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, drawn anew at each call."""
        return self.longest(failures) * (1 - self.jitter * random.random())


def _number(number: float, argument: str, at_least: float, at_most: float = math.inf) -> float:
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        raise TypeError(f"{argument}: expected a number, got {number!r}")
    if not (math.isfinite(number) and at_least <= number <= at_most):
        wanted = f"{at_least:g} or more" if at_most == math.inf else f"a number from {at_least:g} to {at_most:g}"
        raise ValueError(f"{argument}: expected {wanted}, got {number!r}")
    return float(number)
