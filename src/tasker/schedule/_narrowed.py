"""What a window and a list of dates share: a schedule with some of its slots taken away."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Self

from tasker._core.instants import aware, micros_of
from tasker.schedule._combinable import Combinable, counts_from_last_run, with_salt
from tasker.schedule._protocol import Schedule, checked

_TICK = timedelta(microseconds=1)


class Narrowed(Combinable):
    """A schedule whose slots count at some times only."""

    __slots__ = ("_schedule",)

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = checked(schedule, "schedule")

    @property
    def counts_from_last_run(self) -> bool:
        """Whether the schedule that is narrowed counts from the last run."""
        return counts_from_last_run(self._schedule)

    @abstractmethod
    def _opening(self, slot: datetime) -> datetime | None:
        """Return when slots count again if this one does not: later than it; `None` means never."""

    @abstractmethod
    def _counts(self, slot: datetime) -> bool:
        """Return whether a slot stays."""

    @abstractmethod
    def _rebuilt(self, schedule: Schedule) -> Self:
        """Return another schedule, narrowed alike."""

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first slot after an instant that counts."""
        slot = self._schedule.next_after(aware(instant, "instant"))
        while slot is not None and not self._counts(slot):
            opening = self._opening(slot)
            if opening is None:
                return None
            if self.counts_from_last_run:
                # The interval has passed since the last run: the slot is due as soon as it may be.
                slot = opening
            else:
                slot = self._schedule.next_after(max(opening - _TICK, slot, key=micros_of))
        return slot

    def with_salt(self, salt: str) -> Combinable:
        """Return the schedule with the salt for what it narrows."""
        return self._rebuilt(with_salt(self._schedule, salt))
