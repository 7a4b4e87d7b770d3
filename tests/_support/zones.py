"""A zone whose rules a test can change."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


class ChangingZone(tzinfo):
    """A zone that is `hours` ahead of UTC, until somebody says otherwise."""

    def __init__(self, hours: float) -> None:
        self.hours = hours

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=self.hours)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return "somewhere"

    def __str__(self) -> str:
        return "somewhere"
