"""Elapsed time: every so often, whatever the clocks on the wall do."""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from tasker._core.instants import aware, instant_of, micros_of
from tasker.schedule._combinable import Combinable
from tasker.schedule._words import moment, plural

_MICROSECOND = timedelta(microseconds=1)
_LAST = micros_of(datetime.max.replace(tzinfo=UTC))
_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


class Interval(Combinable):
    """A slot each time that an interval has passed.

    Without an anchor, the next slot is the given instant plus the interval: slots are counted from the last run.
    With one, the slots are the anchor and every whole multiple of the interval before and after it.
    Those are the same on every instance and after every restart.
    An interval of a day is 24 hours, also on the days on which the clocks change; `Daily` follows the clock.

    Args:
        weeks: How many times seven days.
        days: How many times 24 hours.
        hours: How many hours.
        minutes: How many minutes.
        seconds: How many seconds; fractions are kept to the microsecond.
        anchor: An instant that is a slot; the slots come back in its zone.

    Raises:
        TypeError: An amount is not a number, or the anchor is not a datetime.
        ValueError: An amount is negative or not finite, the interval is zero or too long, or the anchor is naive.

    >>> from datetime import UTC, datetime
    >>> every = Interval(hours=6, anchor=datetime(2026, 1, 1, tzinfo=UTC))
    >>> print(every.next_after(datetime(2026, 3, 1, 7, 30, tzinfo=UTC)))
    2026-03-01 12:00:00+00:00
    """

    __slots__ = ("_anchor", "_first", "_interval", "_step")

    def __init__(
        self,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        anchor: datetime | None = None,
    ) -> None:
        self._interval = _interval_of(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._anchor = anchor if anchor is None else aware(anchor, "anchor")
        self._step = self._interval // _MICROSECOND
        self._first = None if self._anchor is None else micros_of(self._anchor)

    @property
    def interval(self) -> timedelta:
        """The time between two slots."""
        return self._interval

    @property
    def anchor(self) -> datetime | None:
        """The instant that the slots are counted from; `None` means the last run."""
        return self._anchor

    @property
    def counts_from_last_run(self) -> bool:
        """Whether there is no anchor."""
        return self._anchor is None

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the instant plus the interval, or with an anchor the first multiple of it after the instant."""
        slot = self.next_micros(micros_of(aware(instant, "instant")))
        zone = instant.tzinfo if self._anchor is None else self._anchor.tzinfo
        try:
            return None if slot is None else instant_of(slot).astimezone(zone)
        except OverflowError:  # after the year 9999, in that zone
            return None

    def next_micros(self, micros: int) -> int | None:
        """Return `next_after` in microseconds since 1970, for who asks thousands of times a second."""
        step = self._step
        slot = micros + step if self._first is None else micros + step - (micros - self._first) % step
        return slot if slot <= _LAST else None

    def _key(self) -> Hashable:
        # In microseconds: datetimes in a repeated hour are unequal to the same instant in another zone.
        return (self._step, self._first)

    def __repr__(self) -> str:
        amount, name = _amount(self._interval)
        arguments = [f"{name}s={amount!r}"]
        if self._anchor is not None:
            arguments.append(f"anchor={self._anchor!r}")
        return f"Interval({', '.join(arguments)})"

    def __str__(self) -> str:
        text = _every(self._interval)
        return text if self._anchor is None else f"{text}, counted from {moment(self._anchor)}"


def _interval_of(**amounts: float) -> timedelta:
    for argument, amount in amounts.items():
        _check_amount(argument, amount)
    try:
        interval = timedelta(**amounts)
    except OverflowError:
        raise ValueError(f"interval: expected less than {timedelta.max.days} days, got {_given(amounts)}") from None
    if not interval:
        raise ValueError(f"interval: expected at least a microsecond in all, got {_given(amounts)}")
    return interval


def _check_amount(argument: str, amount: object) -> None:
    if type(amount) is int and amount >= 0:
        return
    if not isinstance(amount, (int, float)) or isinstance(amount, bool):
        raise TypeError(f"{argument}: expected a number, got {amount!r}")
    if not math.isfinite(amount) or amount < 0:
        raise ValueError(f"{argument}: expected a finite number of zero or more, got {amount!r}")


@lru_cache
def _every(interval: timedelta) -> str:
    amount, name = _amount(interval)
    return f"every {name}" if amount == 1 else f"every {plural(amount, name)}"


def _given(amounts: dict[str, float]) -> str:
    return ", ".join(f"{name}={amount!r}" for name, amount in amounts.items() if amount) or "0"


def _amount(interval: timedelta) -> tuple[float, str]:
    """Return the interval in the unit in which a person would say it, such as 90 minutes or 2 days."""
    seconds, micros = interval.days * 86_400 + interval.seconds, interval.microseconds
    for name, size in _UNITS:
        if not micros and seconds % size == 0:
            return seconds // size, name
    return seconds + micros / 1_000_000 if micros else seconds, "second"
