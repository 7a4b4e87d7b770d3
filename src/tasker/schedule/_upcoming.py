"""The next slots of a schedule, for people who want to see what will happen."""

from __future__ import annotations

from datetime import UTC, datetime

from tasker._core.instants import aware, micros_of
from tasker.schedule._protocol import Schedule, checked


def upcoming(schedule: Schedule, n: int, after: datetime | None = None) -> list[datetime]:
    """Return the next slots of a schedule.

    Args:
        schedule: Any schedule.
        n: How many slots, zero or more; fewer come back if the schedule ends.
        after: The slots are later than this aware datetime; `None` means the time it is now.

    Raises:
        TypeError: `schedule` is no schedule, or `n` no whole number.
        ValueError: `n` is negative, `after` is naive, or a slot is not later than the one before it.

    >>> from datetime import UTC, datetime
    >>> from tasker.schedule import Monthly
    >>> for slot in upcoming(Monthly(day=-1, tz="UTC"), 3, after=datetime(2028, 1, 1, tzinfo=UTC)):
    ...     print(slot.date())
    2028-01-31
    2028-02-29
    2028-03-31
    """
    checked(schedule, "schedule")
    if not isinstance(n, int) or isinstance(n, bool):
        raise TypeError(f"n: expected a whole number, got {n!r}")
    if n < 0:
        raise ValueError(f"n: expected zero or more, got {n}")
    last = datetime.now(UTC) if after is None else aware(after, "after")
    slots: list[datetime] = []
    while len(slots) < n and (slot := schedule.next_after(last)) is not None:
        # A schedule of somebody else's that stands still would fill the list with one instant.
        if micros_of(slot) <= micros_of(last):
            raise ValueError(f"schedule: expected a slot later than {last}, got {slot} from {schedule!r}")
        slots.append(slot)
        last = slot
    return slots
