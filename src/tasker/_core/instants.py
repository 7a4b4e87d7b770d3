"""Points in time: aware datetimes for people, whole microseconds since 1970 (UTC) for the store and the heap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def aware(instant: datetime, argument: str) -> datetime:
    """Return `instant`, which must carry its offset from UTC.

    Raises:
        TypeError: It is no datetime.
        ValueError: It is naive.
    """
    if not isinstance(instant, datetime):
        raise TypeError(f"{argument}: expected an aware datetime, got {instant!r}")
    if instant.utcoffset() is None:
        raise ValueError(f"{argument}: expected an aware datetime, got the naive {instant!r}; give it a tzinfo")
    return instant


def micros_of(instant: datetime) -> int:
    """Return an aware datetime as whole microseconds since 1970-01-01T00:00Z, exactly."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(micros: int) -> datetime:
    """Return microseconds since 1970-01-01T00:00Z as an aware datetime in UTC, exactly."""
    return EPOCH + micros * _MICROSECOND  # faster than with a keyword
