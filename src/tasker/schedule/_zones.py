"""From what a user writes for a time zone to a `tzinfo` that can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timezone, tzinfo

from tasker.schedule._suggestions import did_you_mean
from tasker.schedule._words import zone_name

NO_DATABASE = "this machine has no time zone database; install the package `tzdata` (pip install tzdata)"


def zone_of(tz: str | tzinfo | None) -> tzinfo:
    """Return the zone that a schedule reads its clock in.

    Args:
        tz: The name of a zone, a `tzinfo`, or `None` for the zone of this machine.

    Raises:
        TypeError: It is something else.
        ValueError: There is no zone of that name, no zone database at all, or it is a zone of pytz.
    """
    if tz is None:
        # Only a schedule in the machine's zone needs to know how machines keep it.
        from tasker.schedule._machine_zone import machine_zone  # noqa: PLC0415

        return machine_zone()
    if isinstance(tz, str):
        return _named(tz)
    if not isinstance(tz, tzinfo):
        raise TypeError(f"tz: expected the name of a time zone, a tzinfo or None, got {tz!r}")
    if hasattr(tz, "localize"):
        # pytz wants localize() called by hand; a plain constructor gives it the offset of the 19th century.
        raise ValueError(f"tz: expected a zone of zoneinfo, got {tz!r} of pytz; give its name, {str(tz)!r}")
    return tz


def is_fixed(zone: tzinfo) -> bool:
    """Whether the offset of a zone is known never to change."""
    return isinstance(zone, timezone)


def tz_repr(tz: str | tzinfo) -> str:
    """Return an expression for a zone: its name if it has one."""
    name = tz if isinstance(tz, str) else getattr(tz, "key", None)
    if name is None and tz is UTC:
        name = "UTC"
    return repr(name or tz)


def place(tz: str | tzinfo | None) -> str:
    """Return where the clock of a schedule hangs: `in Europe/Berlin`, `in UTC`, `in local time`."""
    if tz is None:
        return "in local time"
    return f"in {tz if isinstance(tz, str) else zone_name(tz) or repr(tz)}"


def _named(name: str) -> tzinfo:
    if name.upper() == "UTC":  # needs no database
        return UTC
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415  programs without zones do not pay for it

    try:
        zone = ZoneInfo(name)
        zone.utcoffset(datetime(2000, 1, 1))  # noqa: DTZ001  a broken file is found now, not at 3 a.m.
    except (LookupError, ValueError, OSError):
        raise ValueError(_unknown(name, available_timezones())) from None
    return zone


def _unknown(name: str, known: set[str]) -> str:
    if not known:
        return f"tz: cannot find {name!r}: {NO_DATABASE}"
    city = name.strip().replace(" ", "_")
    by_city = [zone for zone in known if zone.rpartition("/")[2].casefold() == city.casefold()]
    hint = f"; did you mean {min(by_city)!r}?" if by_city else did_you_mean(city, known)
    return f"tz: expected the name of a time zone such as 'Europe/Berlin', got {name!r}{hint}"
