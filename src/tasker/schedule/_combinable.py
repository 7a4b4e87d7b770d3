"""What every built-in schedule can do: be combined, compared, and shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from datetime import date, datetime

from tasker._core.durations import Duration
from tasker.schedule._protocol import Schedule, checked

# The combinators inherit from Combinable, and Combinable makes them: they are imported where they are made.
# ruff: noqa: PLC0415


class Combinable(ABC):
    """The base of the built-in schedules: `next_after` and the combinators.

    Your own schedule needs `next_after` only.
    Inherit from this class to get the combinators as methods, or hand an object to `combinable`.
    Built-in schedules are immutable; two are equal if they are built alike.
    """

    __slots__ = ()

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first slot strictly after an instant, or `None` if there is none; see `Schedule.next_after`."""

    @property
    def counts_from_last_run(self) -> bool:
        """Whether the slots are counted from the instant that is asked about, as for an `Interval` without anchor.

        Ask such a schedule for its next slot after the end of the last run.
        """
        return False

    def __or__(self, other: Schedule) -> Combinable:
        """Return the schedule with the slots of both; a slot that both have is one slot.

        Raises:
            TypeError: The other is no schedule.
        """
        from tasker.schedule._union import Union

        return Union(self, other)

    def __ror__(self, other: Schedule) -> Combinable:
        from tasker.schedule._union import Union

        return Union(other, self)

    def between(self, start: datetime | None, end: datetime | None) -> Combinable:
        """Return the schedule with only those slots that are at or after `start` and before `end`.

        Args:
            start: The first instant that counts; `None` means there is no first.
            end: The first instant that no longer counts; `None` means there is none.

        Raises:
            ValueError: One of them is naive, or `start` is not before `end`.

        >>> from datetime import UTC, datetime
        >>> from tasker.schedule import Daily
        >>> str(Daily(hour=3, tz="UTC").between(datetime(2026, 1, 1, tzinfo=UTC), None))
        'every day at 03:00 in UTC, from 2026-01-01 00:00 UTC'
        """
        from tasker.schedule._window import Window

        return Window(self, start, end)

    def except_on(self, dates: date | Iterable[date]) -> Combinable:
        """Return the schedule without the slots on some dates, such as holidays.

        The date of a slot is the one that the calendar in the schedule's own zone shows.

        Args:
            dates: One date or several; no datetimes.

        Raises:
            TypeError: Something else than dates came.
        """
        from tasker.schedule._except_dates import ExceptDates

        return ExceptDates(self, dates)

    def jitter(self, duration: Duration, salt: str = "") -> Combinable:
        """Return the schedule with every slot moved later by up to a duration, and never past the next slot.

        The delay of a slot depends on the slot and the salt only.
        It is the same in every process and after every restart.

        Args:
            duration: The longest delay.
            salt: Schedules with different salts get different delays; a scheduler puts the schedule's id in place
                of an empty one.

        Raises:
            ValueError: The duration is not positive.
        """
        from tasker.schedule._jitter import Jitter

        return Jitter(self, duration, salt)

    def with_salt(self, salt: str) -> Combinable:
        """Return the schedule with a salt for every jitter in it that has none; itself, if there is none."""
        del salt
        return self

    def _key(self) -> Hashable:
        """Return what makes two schedules of one class equal; by default, nothing but being the same object."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))


class Combined(Combinable):
    """Somebody's schedule, with the combinators added."""

    __slots__ = ("_schedule",)

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = checked(schedule, "schedule")

    def next_after(self, instant: datetime) -> datetime | None:
        return self._schedule.next_after(instant)

    @property
    def counts_from_last_run(self) -> bool:
        return counts_from_last_run(self._schedule)

    def _key(self) -> Hashable:
        return (self._schedule,)

    def __repr__(self) -> str:
        return f"combinable({self._schedule!r})"

    def __str__(self) -> str:
        return str(self._schedule)


def combinable(schedule: Schedule) -> Combinable:
    """Return any schedule with the combinators `|`, `between`, `except_on` and `jitter`.

    Args:
        schedule: Any object with `next_after`; one that has the combinators is returned as it is.

    Raises:
        TypeError: It is no schedule.
    """
    return schedule if isinstance(schedule, Combinable) else Combined(schedule)


def counts_from_last_run(schedule: Schedule) -> bool:
    """Return `schedule.counts_from_last_run`, which is false for a schedule that does not say."""
    return bool(getattr(schedule, "counts_from_last_run", False))


def with_salt(schedule: Schedule, salt: str) -> Schedule:
    """Return a schedule with a salt for its jitter; one without jitter, or not a built-in one, comes back as it is.

    The scheduler calls this with the id of the schedule, so that the same slots of two ids are not delayed alike.
    """
    return schedule.with_salt(salt) if isinstance(schedule, Combinable) else schedule
