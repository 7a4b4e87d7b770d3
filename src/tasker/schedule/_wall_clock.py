"""What all schedules that look at the clock on the wall share: the zone, and the rules for its changes.

A subclass says which wall times it wants, without a thought about zones.
This file finds the instants at which they are shown.
The zone is asked at the places where the answer may differ only, and nothing about it is remembered.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import MAXYEAR, UTC, datetime, timedelta, tzinfo
from typing import Literal, cast

from tasker._core.instants import aware
from tasker.schedule._changes import Change, change_around
from tasker.schedule._combinable import Combinable
from tasker.schedule._fields import one_of
from tasker.schedule._zones import is_fixed, place, tz_repr, zone_of

Gap = Literal["shift", "skip"]
"""What a wall time gets that does not exist: a slot at the first instant after the gap, or none."""

Fold = Literal["first", "second", "both"]
"""Which passes of a wall time that exists twice are slots."""

Wall = tuple[int, int, int, int, int, int]
"""A wall time: year, month, day, hour, minute, second."""

_SECOND = timedelta(seconds=1)
_GAP_WORDS = {"shift": "as soon after if the clocks skip it", "skip": "not if the clocks skip it"}
_FOLD_WORDS = {
    "first": "the first time if the clocks repeat it",
    "second": "the second time if the clocks repeat it",
    "both": "twice if the clocks repeat it",
}


class WallClock(Combinable):
    """A schedule whose slots are wall times in a zone."""

    __slots__ = ("_fixed", "_fold", "_gap", "_tz", "_zone")

    def __init__(self, tz: str | tzinfo | None, gap: Gap, fold: Fold) -> None:
        self._tz = tz
        self._zone = zone_of(tz)
        self._fixed = is_fixed(self._zone)
        self._gap = cast("Gap", one_of(gap, "gap", ("shift", "skip")))
        self._fold = cast("Fold", one_of(fold, "fold", ("first", "second", "both")))

    @abstractmethod
    def _wall_after(self, wall: Wall) -> Wall | None:
        """Return the first wanted wall time after one, as if the clocks never changed; `None` if there is none."""

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first slot strictly after an instant, in the schedule's zone; see `Schedule.next_after`."""
        zone = self._zone
        if not isinstance(instant, datetime) or (instant.tzinfo is not zone and instant.tzinfo is not UTC):
            aware(instant, "instant")
        try:
            local = instant.astimezone(zone)
        except OverflowError:  # outside the years that a datetime can show in this zone
            if instant.year > 1:
                return None
            local = datetime.min.replace(tzinfo=zone)
        wall = (local.year, local.month, local.day, local.hour, local.minute, local.second)
        found = self._wall_after(wall)
        if found is None:
            return None
        slot = datetime(*found, tzinfo=zone)
        if self._fixed or self._is_plain(local, wall, slot, found):
            return slot if slot.year < MAXYEAR else _representable(slot)
        return self._near_change(local)

    def _is_plain(self, local: datetime, wall: Wall, slot: datetime, found: Wall) -> bool:
        """Return whether no change of clocks has a say in what comes after an instant."""
        offset = slot.utcoffset()
        if local.fold or offset != datetime(*found, tzinfo=self._zone, fold=1).utcoffset():
            return False
        if self._fold == "first":
            return True
        # Clocks do not change twice in a day: if the offset is still the same, they did not change in between.
        return (found[:3] == wall[:3] and offset == local.utcoffset()) or not _is_repeated(local)

    def _near_change(self, local: datetime) -> datetime | None:
        """Return the next slot after a wall time that is shown twice, or before one that is not shown once."""
        wall = _wall_of(local)
        repeating = change_around(wall, self._zone)
        if repeating is None:
            return self._resolve(wall, None)
        if local.fold:
            # Every wall time before the end of the overlap has been shown once already.
            return self._resolve(repeating.end - _SECOND if self._fold == "first" else wall, repeating)
        if self._fold == "first":
            return self._resolve(wall, repeating)
        if self._fold == "both":
            found = self._wall_after(_fields_of(wall))
            if found is not None and datetime(*found) < repeating.end:  # noqa: DTZ001  a wall time
                return datetime(*found, tzinfo=self._zone)
        return self._resolve(repeating.start - _SECOND, repeating)

    def _resolve(self, wall: datetime, repeating: Change | None) -> datetime | None:
        """Return the instant of the first wanted wall time after one.

        Args:
            wall: Where to begin, exclusive; naive.
            repeating: The overlap whose second pass has begun, or begins with the next wall time.
        """
        while (found := self._wall_after(_fields_of(wall))) is not None:
            change = change_around(datetime(*found), self._zone)  # noqa: DTZ001  a wall time
            if change is None:
                return _representable(datetime(*found, tzinfo=self._zone))
            if not change.is_gap:
                second = self._fold == "second" or (self._fold == "both" and change == repeating)
                return datetime(*found, tzinfo=self._zone, fold=int(second))
            if self._gap == "shift":
                return change.at.astimezone(self._zone)
            wall = change.end - _SECOND
        return None

    def _usual_rules(self) -> tuple[Gap, Fold]:
        """Return the `gap` and `fold` that a schedule of this kind has if it is not told."""
        return ("shift", "first")

    def _zone_arguments(self) -> list[str]:
        """Return the arguments that `repr` shows for what this class keeps."""
        arguments = [] if self._tz is None else [f"tz={tz_repr(self._tz)}"]
        gap, fold = self._usual_rules()
        if self._gap != gap:
            arguments.append(f"gap={self._gap!r}")
        if self._fold != fold:
            arguments.append(f"fold={self._fold!r}")
        return arguments

    def _place(self) -> str:
        """Return the words for what this class keeps, such as `in Europe/Berlin`."""
        text = place(self._tz)
        gap, fold = self._usual_rules()
        if self._gap != gap:
            text += f", {_GAP_WORDS[self._gap]}"
        if self._fold != fold:
            text += f", {_FOLD_WORDS[self._fold]}"
        return text


def _is_repeated(local: datetime) -> bool:
    return local.utcoffset() != local.replace(fold=1).utcoffset()


def _wall_of(local: datetime) -> datetime:
    return local.replace(tzinfo=None, microsecond=0, fold=0)


def _fields_of(wall: datetime) -> Wall:
    return (wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second)


def _representable(slot: datetime) -> datetime | None:
    """Return a slot unless it lies beyond the last instant that a datetime in UTC can show."""
    try:
        slot.astimezone(UTC)
    except OverflowError:
        return None
    return slot
