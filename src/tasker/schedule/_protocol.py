"""What a schedule is, for everybody: one method."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, cast, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """A rule that yields instants, its slots.

    Anything with this method is a schedule; nothing needs to be inherited.
    `combinable` gives such an object the combinators of the built-in schedules.
    """

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first slot strictly after an instant, or `None` if there is none.

        The answer depends on nothing but the schedule and the instant: no clock is read and nothing is remembered.
        So a schedule may be asked about any instant, in any order, from any thread.

        Args:
            instant: An aware datetime in any zone.

        Returns:
            An aware datetime, later than `instant`.

        Raises:
            ValueError: The instant is naive.
        """
        ...


def checked(schedule: object, argument: str) -> Schedule:
    """Return what must be a schedule.

    Raises:
        TypeError: It has no `next_after`, or is a class; a string is told about `parse`.
    """
    # Not `isinstance(schedule, Schedule)`, which takes as long as all else about adding a schedule.
    if callable(getattr(schedule, "next_after", None)) and not isinstance(schedule, type):
        return cast("Schedule", schedule)
    hint = ""
    if isinstance(schedule, str):
        hint = "; schedule.parse reads one from a text"
    elif isinstance(schedule, type):
        hint = f"; make one of this class, as in {schedule.__qualname__}(...)"
    raise TypeError(f"{argument}: expected a schedule, an object with next_after(instant), got {schedule!r}{hint}")
