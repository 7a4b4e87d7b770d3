"""Where the clocks of a zone change: the gap or the overlap that a wall time lies in.

A wall time that a zone shows once has one offset.
For one that it skips (a gap) or shows twice (an overlap), PEP 495 gives two: the one before the change as `fold=0`
and the one after it as `fold=1`.
So two questions to the zone tell what a wall time is, and no list of changes has to be kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_SECOND = timedelta(seconds=1)


class Change(NamedTuple):
    """One change of clocks.

    Attributes:
        at: The instant of the change, in UTC.
        start: The first wall time that is skipped, or shown twice; naive.
        end: The first wall time after those.
        is_gap: Whether they are skipped.
    """

    at: datetime
    start: datetime
    end: datetime
    is_gap: bool


def change_around(wall: datetime, zone: tzinfo) -> Change | None:
    """Return the change that skips or repeats a naive wall time, or `None` if it exists once."""
    before = _offset(wall, zone, 0)
    after = _offset(wall, zone, 1)
    if before == after:
        return None
    # With the larger offset the wall time lies before the change, with the smaller one at or after it.
    at = first_change(wall - max(before, after), wall - min(before, after), zone)
    first, second = at + before, at + after
    return Change(at.replace(tzinfo=UTC), min(first, second), max(first, second), is_gap=after > before)


def first_change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which the offset of a zone changes between two instants, to the second.

    All three are naive datetimes in UTC, without fractions of seconds; the offsets at the two instants differ.
    """
    offset = _offset_at(low, zone)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if _offset_at(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    if offset is None:
        raise ValueError(f"tz: expected a zone with an offset at every time, got none from {zone!r} at {wall}")
    return offset


def _offset_at(instant: datetime, zone: tzinfo) -> timedelta | None:
    return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset()
