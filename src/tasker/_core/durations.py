"""What a user may write for a length of time, and what tasker makes of it: seconds as a float."""

from __future__ import annotations

import math
from datetime import timedelta

Duration = timedelta | float | int
"""A length of time: a `timedelta`, or a number of seconds."""


def seconds_of(duration: Duration, argument: str, *, positive: bool = False) -> float:
    """Return `duration` in seconds.

    Args:
        duration: What the user gave.
        argument: The name of the argument, for the message.
        positive: Whether zero is refused too.

    Raises:
        TypeError: It is neither a `timedelta` nor a number; a `bool` is not a number here.
        ValueError: It is negative, not finite, or zero where that makes no sense.
    """
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = float(duration)
    else:
        raise TypeError(f"{argument}: expected a timedelta or a number of seconds, got {duration!r}")
    if not math.isfinite(seconds):
        raise ValueError(f"{argument}: expected a finite duration, got {duration!r}")
    if seconds < 0:
        raise ValueError(f"{argument}: expected a duration of zero or more, got {duration!r}")
    if positive and seconds == 0:
        raise ValueError(f"{argument}: expected a duration of more than zero, got {duration!r}")
    return seconds
