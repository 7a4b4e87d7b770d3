"""Either of two schedules."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from tasker._core.instants import micros_of
from tasker.schedule._combinable import Combinable, counts_from_last_run, with_salt
from tasker.schedule._protocol import Schedule, checked
from tasker.schedule._words import listed


class Union(Combinable):
    """The slots of several schedules; made by `|`."""

    __slots__ = ("_schedules",)

    def __init__(self, *schedules: Schedule) -> None:
        self._schedules: tuple[Schedule, ...] = ()
        for schedule in schedules:
            self._schedules += schedule.parts if isinstance(schedule, Union) else (checked(schedule, "|"),)

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules whose slots these are."""
        return self._schedules

    @property
    def counts_from_last_run(self) -> bool:
        """Whether one of the schedules counts from the last run."""
        return any(map(counts_from_last_run, self._schedules))

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the earliest of the next slots of all."""
        slots = [slot for schedule in self._schedules if (slot := schedule.next_after(instant)) is not None]
        # Not min(slots): two datetimes of one zone are compared by their wall times, also in a repeated hour.
        return min(slots, key=micros_of, default=None)

    def with_salt(self, salt: str) -> Combinable:
        """Return the schedule with the salt for every part of it."""
        return Union(*(with_salt(schedule, salt) for schedule in self._schedules))

    def _key(self) -> Hashable:
        return frozenset(self._schedules)

    def __repr__(self) -> str:
        return f"({' | '.join(map(repr, self._schedules))})"

    def __str__(self) -> str:
        return listed([str(schedule) for schedule in self._schedules])
