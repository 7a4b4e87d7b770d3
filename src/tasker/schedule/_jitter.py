"""Slots moved later by a little, each always by the same.

A delay must be the same on every instance and after every restart, so it is made from the slot and a salt by a hash
that never changes, and not drawn.
The delay is a share of the room there is: the longest delay, or the time to the next slot if that is less.
So slots keep their order and never meet.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from tasker._core.durations import Duration, seconds_of
from tasker._core.instants import aware, instant_of, micros_of
from tasker.schedule._combinable import Combinable, counts_from_last_run, with_salt
from tasker.schedule._protocol import Schedule, checked
from tasker.schedule._words import plural

_BEGINNING = micros_of(datetime.min.replace(tzinfo=UTC))


class Jitter(Combinable):
    """The slots of a schedule, each a little later; made by `jitter`."""

    __slots__ = ("_duration", "_from_last_run", "_last", "_longest", "_salt", "_schedule")

    def __init__(self, schedule: Schedule, duration: Duration, salt: str) -> None:
        self._schedule = checked(schedule, "schedule")
        self._duration = timedelta(seconds=seconds_of(duration, "duration", positive=True))
        self._longest = self._duration // timedelta(microseconds=1)
        if not self._longest:
            raise ValueError(f"duration: expected at least a microsecond, got {duration!r}")
        if not isinstance(salt, str):
            raise TypeError(f"salt: expected a string, got {salt!r}")
        self._salt = salt
        self._last: tuple[int | None, datetime | None, int | None] = (None, None, None)
        self._from_last_run = counts_from_last_run(schedule)

    @property
    def counts_from_last_run(self) -> bool:
        """Whether the schedule that is moved counts from the last run."""
        return self._from_last_run

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first moved slot after an instant."""
        now = micros_of(aware(instant, "instant"))
        # A slot that is over may be moved past the instant.
        earliest = instant if self._from_last_run else instant_of(max(now - self._longest, _BEGINNING))
        slot = self._schedule.next_after(earliest)
        start = None if slot is None else micros_of(slot)
        searched = now
        while slot is not None and start is not None:
            following, end = self._following(slot, start)
            if following is not None and end is not None and end <= now:
                slot, searched = self._nearer(following, now, (end + searched) // 2, searched)
                start = micros_of(slot)
                continue
            moved = start + self._delay(start, end)
            if moved > now:
                return _shown_like(slot, moved)
            slot, start = following, end
        return None

    def _following(self, slot: datetime, start: int) -> tuple[datetime | None, int | None]:
        """Return the slot after a slot, unmoved.

        The last answer is kept: who walks from slot to slot asks twice for each.
        """
        known, following, end = self._last
        if known != start:
            following = self._schedule.next_after(slot)
            end = None if following is None else micros_of(following)
            self._last = (start, following, end)
        return following, end

    def _nearer(self, slot: datetime, now: int, middle: int, searched: int) -> tuple[datetime, int]:
        """Return a slot nearer to an instant, but not past it, and until when the next one is to be searched.

        It halves: a slot every second and a delay of an hour would be 3,600 steps.
        """
        later = self._schedule.next_after(instant_of(middle))
        if later is None or micros_of(later) > now:
            return slot, middle
        return later, searched

    def _delay(self, start: int, end: int | None) -> int:
        """Return the delay of a slot, from 0 to less than the room until the next one, in microseconds."""
        room = self._longest if end is None else min(self._longest, end - start - 1)
        digest = blake2b(f"{self._salt}\0{start}".encode(), digest_size=8).digest()
        return (room + 1) * int.from_bytes(digest, "big") >> 64

    def with_salt(self, salt: str) -> Combinable:
        """Return the schedule with the salt in place of an empty one."""
        return Jitter(with_salt(self._schedule, salt), self._duration, self._salt or salt)

    def _key(self) -> Hashable:
        return (self._schedule, self._longest, self._salt)

    def __repr__(self) -> str:
        salt = f", salt={self._salt!r}" if self._salt else ""
        return f"{self._schedule!r}.jitter({self._duration.total_seconds()!r}{salt})"

    def __str__(self) -> str:
        return f"{self._schedule}, up to {plural(self._duration.total_seconds(), 'second')} later"


def _shown_like(slot: datetime, micros: int) -> datetime | None:
    try:
        return instant_of(micros).astimezone(slot.tzinfo)
    except OverflowError:  # after the year 9999
        return None
