from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule._changes import change_around


class Nowhere(tzinfo):
    def utcoffset(self, moment: datetime | None) -> None:
        return None

    tzname = dst = utcoffset


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_most_wall_times_exist_once() -> None:
    assert change_around(wall("2026-03-29T01:59:59"), ZoneInfo("Europe/Berlin")) is None
    assert change_around(wall("2026-03-29T03:00:00"), ZoneInfo("Europe/Berlin")) is None


@pytest.mark.parametrize(
    ("zone", "inside", "change"),
    [
        ("Europe/Berlin", "2026-03-29T02:00:00", ("2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00", True)),
        ("Europe/Berlin", "2026-03-29T02:59:59", ("2026-03-29T01:00", "2026-03-29T02:00", "2026-03-29T03:00", True)),
        ("Europe/Berlin", "2026-10-25T02:30:00", ("2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00", False)),
        (
            "Australia/Lord_Howe",
            "2026-04-05T01:45:00",
            ("2026-04-04T15:00", "2026-04-05T01:30", "2026-04-05T02:00", False),
        ),
        ("Pacific/Apia", "2011-12-30T12:00:00", ("2011-12-30T10:00", "2011-12-30T00:00", "2011-12-31T00:00", True)),
        (
            "America/St_Johns",
            "2009-10-31T23:30:00",
            ("2009-11-01T02:31", "2009-10-31T23:01", "2009-11-01T00:01", False),
        ),
    ],
)
def test_a_gap_or_an_overlap_is_found_to_the_second(zone: str, inside: str, change: tuple[str, str, str, bool]) -> None:
    at, start, end, is_gap = change
    found = change_around(wall(inside), ZoneInfo(zone))
    assert found == (wall(at).replace(tzinfo=UTC), wall(start), wall(end), is_gap)


def test_a_zone_without_offsets_is_refused() -> None:
    with pytest.raises(ValueError, match="tz: expected a zone with an offset at every time, got none"):
        change_around(wall("2026-03-29T02:00:00"), Nowhere())
