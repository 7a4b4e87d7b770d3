"""What a text says about a schedule, word by word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tasker.schedule._at import At
from tasker.schedule._combinable import Combinable
from tasker.schedule._cron import Cron
from tasker.schedule._daily import Daily
from tasker.schedule._interval import Interval
from tasker.schedule._monthly import Monthly
from tasker.schedule._parse_days import Words, clock_time, day_of_month, month_and_day, weekdays_of
from tasker.schedule._parse_duration import amounts_of
from tasker.schedule._suggestions import did_you_mean
from tasker.schedule._union import Union
from tasker.schedule._weekly import Weekly
from tasker.schedule._yearly import Yearly
from tasker.schedule._zones import zone_of

_EXAMPLES = (
    "every 5m",
    "daily 12:00 Europe/Berlin",
    "weekly mon,fri 08:30",
    "monthly last 03:00",
    "yearly 12-24 18:00",
    "at 2026-01-01T00:00Z",
    "*/5 * * * *",
)


def read(text: str) -> Combinable:
    """Return the schedule that a text describes; see `parse`.

    Raises:
        ValueError: It is not understood.
    """
    words = Words(text.split())
    kind = words.take().lower()
    if _starts_cron(kind, len(words)):
        return _cron(text)
    reader = _READERS.get(kind.removeprefix("@"))
    if reader is None:
        raise ValueError(f"schedule {text!r}: {_unknown(kind)}")
    try:
        schedule = reader(words)
        words.refuse_rest()
    except ValueError as error:
        raise ValueError(f"schedule {text!r}: {error}") from None
    return schedule


def _starts_cron(first: str, others: int) -> bool:
    """Return whether a text that starts with a word is a cron expression; `5m` and `12:00` are none."""
    if first.startswith("@"):
        return first != "@every"
    return first[:1] in {"*", "?"} or (first[:1].isdigit() and others > 2)


def _unknown(kind: str) -> str:
    if kind[:1].isdigit():
        hint = f"; did you mean '{'daily' if ':' in kind else 'every'} {kind}'?"
    else:
        hint = did_you_mean(kind, _READERS)
    return f"expected something like {', '.join(map(repr, _EXAMPLES))}, got {kind!r}{hint}"


def _cron(text: str) -> Combinable:
    """Read a cron expression, with or without a zone behind it."""
    *fields, last = text.split()
    # MON/2 is a field, Europe/Berlin is a zone.
    if fields and (last.upper() == "UTC" or ("/" in last and last.rpartition("/")[2][:1].isalpha())):
        return Cron(" ".join(fields).removesuffix(" in"), last)
    return Cron(text)


def _every(words: Words) -> Combinable:
    first = words.peek().lower()
    if first == "day":
        words.take()
        return _daily(words)
    days = weekdays_of(words)
    if days:
        return Weekly(days, *clock_time(words), words.zone())
    anchor = words.take_after("from")
    amounts = amounts_of(words)
    return Interval(**amounts, anchor=_instant(anchor) if anchor else None)


def _daily(words: Words) -> Combinable:
    return Daily(*clock_time(words), words.zone())


def _weekly(words: Words) -> Combinable:
    days = weekdays_of(words)
    if not days:
        raise ValueError(f"expected weekdays such as mon,fri or mon-fri after 'weekly', got {words.peek()!r}")
    return Weekly(days, *clock_time(words), words.zone())


def _monthly(words: Words) -> Combinable:
    days = [day_of_month(part) for part in words.take().split(",")]
    time, zone = clock_time(words), words.zone()
    first, *others = [Monthly(day, *time, zone) for day in days]
    return Union(first, *others) if others else first


def _yearly(words: Words) -> Combinable:
    month, day = month_and_day(words)
    return Yearly(month, day, *clock_time(words), words.zone())


def _hourly(words: Words) -> Combinable:
    return Cron("@hourly", words.zone())


def _at(words: Words) -> Combinable:
    return At(*(_instant(text.strip()) for text in words.take_all().split(",")))


def _instant(text: str) -> datetime:
    """Read an instant: with an offset, or with a zone behind it."""
    moment, _, zone = text.rpartition(" ")
    try:
        if "/" in zone or zone.upper() == "UTC":
            return datetime.fromisoformat(moment).replace(tzinfo=zone_of(zone))
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        if str(error).startswith("tz:"):
            raise
        raise ValueError(f"expected an instant such as 2026-01-01T00:00Z, got {text!r}") from None
    if instant.tzinfo is None:
        raise ValueError(f"expected an instant with an offset such as {text}Z, or a zone after it, got {text!r}")
    return instant


_READERS: dict[str, Callable[[Words], Combinable]] = {
    "every": _every,
    "hourly": _hourly,
    "daily": _daily,
    "weekly": _weekly,
    "monthly": _monthly,
    "yearly": _yearly,
    "at": _at,
}
