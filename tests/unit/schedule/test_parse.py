from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tasker.schedule import At, Cron, Daily, Interval, Monthly, Schedule, Weekly, Yearly, parse

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("every 5m", Interval(minutes=5)),
        ("every 90 seconds", Interval(seconds=90)),
        ("Every 1h30m", Interval(minutes=90)),
        ("every 1 hour and 30 minutes", Interval(minutes=90)),
        ("every 1.5 hours", Interval(minutes=90)),
        ("every 2 weeks, 1 day", Interval(weeks=2, days=1)),
        ("every second", Interval(seconds=1)),
        ("@every 5m", Interval(minutes=5)),
        ("every 6h from 2026-01-01T00:00Z", Interval(hours=6, anchor=NEW_YEAR)),
        ("every 6h from 2026-01-01 00:00 UTC", Interval(hours=6, anchor=NEW_YEAR)),
        ("daily", Daily()),
        ("daily 12:00 Europe/Berlin", Daily(12, tz=BERLIN)),
        ("  DAILY  at 9:05:30 in Europe/Berlin ", Daily(9, 5, 30, BERLIN)),
        ("daily 12:00 utc", Daily(12, tz="UTC")),
        ("daily 12:00 local time", Daily(12)),
        ("every day", Daily()),
        ("every day at 12:00 in Europe/Berlin", Daily(12, tz=BERLIN)),
        ("weekly mon,fri 08:30", Weekly(("mon", "fri"), 8, 30)),
        ("weekly mon-fri 08:30", Weekly(range(5), 8, 30)),
        ("weekly fri-mon", Weekly((4, 5, 6, 0))),
        ("weekly on Monday and Friday at 08:30", Weekly((0, 4), 8, 30)),
        ("every mon, fri 08:30", Weekly((0, 4), 8, 30)),
        ("every weekday at 08:30 in Europe/Berlin", Weekly(range(5), 8, 30, tz=BERLIN)),
        ("every weekend", Weekly((5, 6))),
        ("every mondays at 10:00", Weekly("mon", 10)),
        ("monthly last 03:00", Monthly(-1, 3)),
        ("monthly 15th 03:00 UTC", Monthly(15, 3, tz="UTC")),
        ("monthly -2", Monthly(-2)),
        ("monthly 1,15 03:00", Monthly(1, 3) | Monthly(15, 3)),
        ("yearly 12-24 18:00", Yearly(12, 24, 18)),
        ("yearly dec-24 18:00", Yearly(12, 24, 18)),
        ("yearly on December 24 at 18:00 in Europe/Berlin", Yearly(12, 24, 18, tz=BERLIN)),
        ("yearly feb last", Yearly(2, -1)),
        ("at 2026-01-01T00:00Z", At(NEW_YEAR)),
        ("at 2026-01-01T00:00Z, 2026-07-01 12:00 UTC", At(NEW_YEAR, datetime(2026, 7, 1, 12, tzinfo=UTC))),
        ("at 2026-01-01 01:00 Europe/Berlin", At(NEW_YEAR)),
        ("*/5 * * * *", Cron("*/5 * * * *")),
        ("0 12 * * 1-5", Cron("0 12 * * 1-5")),
        ("0 12 * * mon/2", Cron("0 12 * * mon/2")),
        ("0 12 * * mon/2 Europe/Berlin", Cron("0 12 * * mon/2", BERLIN)),
        ("0 12 * * 1-5 in UTC", Cron("0 12 * * 1-5", "UTC")),
        ("30 0 12 * * 1-5 UTC", Cron("30 0 12 * * 1-5", "UTC")),
        ("@daily", Cron("@daily")),
        ("@weekly Europe/Berlin", Cron("@weekly", BERLIN)),
        ("hourly", Cron("@hourly")),
    ],
)
def test_a_text_is_read_as_what_it_says(text: str, schedule: Schedule) -> None:
    assert parse(text) == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        Interval(minutes=5),
        Daily(12, 30, tz=BERLIN),
        Weekly(("mon", "fri"), 8, tz="UTC"),
        Weekly(range(5)),
        At(NEW_YEAR),
    ],
)
def test_what_a_simple_schedule_says_is_read_back(schedule: Schedule) -> None:
    assert parse(str(schedule)) == schedule


EXAMPLES = (
    "'every 5m', 'daily 12:00 Europe/Berlin', 'weekly mon,fri 08:30', 'monthly last 03:00', 'yearly 12-24 18:00', "
    "'at 2026-01-01T00:00Z', '*/5 * * * *'"
)
UNITS = "expected seconds, minutes, hours, days, weeks, or s, m, h, d, w"
ZONE = "tz: expected the name of a time zone such as 'Europe/Berlin'"
INSTANT = "expected an instant with an offset such as 2026-01-01T00:00Z, or a zone after it"
LENGTH = "expected a length such as 5m, 1h30m, or 90 seconds"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"expected something like {EXAMPLES}, got ''"),
        ("foo", f"expected something like {EXAMPLES}, got 'foo'"),
        ("dayly 12:00", f"expected something like {EXAMPLES}, got 'dayly'; did you mean 'daily'?"),
        ("5m", f"expected something like {EXAMPLES}, got '5m'; did you mean 'every 5m'?"),
        ("12:00 UTC", f"expected something like {EXAMPLES}, got '12:00'; did you mean 'daily 12:00'?"),
        ("every 5 monkeys", f"{UNITS}, got 'monkeys'"),
        ("every 5 mnutes", f"{UNITS}, got 'mnutes'; did you mean 'minutes'?"),
        ("every 2 months", "expected a unit of fixed length, got 'months'; write 'monthly 1' for the calendar's"),
        ("every", f"{LENGTH}, got nothing"),
        ("every 5", f"{LENGTH}, got '5'"),
        ("every -5m", f"{LENGTH}, got '-5m'"),
        ("every 5m6", f"{LENGTH}, got '5m6'"),
        ("every 5m and hour", f"{LENGTH}, got '5m and hour'"),
        ("every 5m 5m", "expected each unit once, got minutes twice in '5m 5m'"),
        ("every 0s", "interval: expected at least a microsecond in all, got 0"),
        ("every 5m from noon", "expected an instant such as 2026-01-01T00:00Z, got 'noon'"),
        ("daily 25:00", "hour: expected a whole number from 0 to 23, got 25"),
        ("daily 12", "expected a time such as 08:30 or 08:30:15, got '12'"),
        ("daily at noon", "expected a time such as 08:30 or 08:30:15, got 'noon'"),
        ("daily 12:00 in", "expected the name of a time zone after 'in', got nothing"),
        ("daily 12:00 UTC please", "did not expect 'please' at the end"),
        (
            "daily 12:00 Europe/Berln",
            f"{ZONE}, got 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        ),
        ("weekly 08:30", "expected weekdays such as mon,fri or mon-fri after 'weekly', got '08:30'"),
        ("weekly mon,fry", "weekday: expected mon, tue, wed, thu, fri, sat, sun or a full name, got 'fry'"),
        ("monthly", "expected a day of the month such as 15, -2 or last, got ''"),
        ("monthly 32", "day: expected 1 to 31, or -1 (the last) to -31, got 32"),
        ("yearly 13-01", "month: expected a whole number from 1 to 12, got 13"),
        ("yearly 02-30", "day: expected 1 to 29, or -1 (the last) to -29, got 30; the month is February"),
        ("at", "expected an instant such as 2026-01-01T00:00Z, got ''"),
        (
            "at 2026-01-01T00:00",
            "expected an instant with an offset such as 2026-01-01T00:00Z, or a zone after it, got '2026-01-01T00:00'",
        ),
        (
            "at 2026-01-01 00:00 Mars/Base",
            f"{ZONE}, got 'Mars/Base'",
        ),
    ],
)
def test_what_is_not_understood_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the whole message is compared
        parse(text)
    assert str(raised.value) == f"schedule {text!r}: {message}"


def test_a_mistake_in_a_cron_expression_is_told_as_such() -> None:
    with pytest.raises(ValueError, match=r"cron '60 \* \* \* \*': minute '60'"):
        parse("60 * * * *")


def test_an_instant_in_a_zone_is_read_by_its_clock() -> None:
    slot = parse("at 2026-07-01 12:00 Europe/Berlin").next_after(NEW_YEAR)
    assert slot == datetime(2026, 7, 1, 12, tzinfo=ZoneInfo(BERLIN))


@pytest.mark.parametrize("text", [None, 5, b"daily"])
def test_what_is_no_text_is_a_type_error(text: Any) -> None:
    with pytest.raises(TypeError, match="text: expected a string such as 'every 5m', got"):
        parse(text)
