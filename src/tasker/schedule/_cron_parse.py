"""From the text of a cron expression to what it means, or to an error that says which part is wrong.

The syntax is that of Vixie cron, with what other programs have added to it: seconds in front, `?`, ranges that wrap
around, and the day specials `L`, `W` and `#`.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from tasker.schedule._cron_days import ALL_WEEKDAYS, CronDays, FromEnd, NearestWeekday, Nth, ever
from tasker.schedule._gregorian import LONGEST
from tasker.schedule._suggestions import did_you_mean
from tasker.schedule._words import MONTHS, WEEKDAYS, listed

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@every_minute": "* * * * *",
    "@every_second": "* * * * * *",
}


class Field(NamedTuple):
    """One field: its name, its bounds, and the names that it knows, in the order of their numbers from `base` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    base: int = 0


_SUNDAY_FIRST = WEEKDAYS[-1:] + WEEKDAYS[:-1]
_SECOND = Field("second", 0, 59)
_MINUTE = Field("minute", 0, 59)
_HOUR = Field("hour", 0, 23)
_DAY = Field("day of month", 1, 31)
_MONTH = Field("month", 1, 12, MONTHS, 1)
_WEEKDAY = Field("day of week", 0, 7, _SUNDAY_FIRST)


class CronRule(NamedTuple):
    """What a cron expression means; the sets are bits, numbered as the fields are.

    Attributes:
        seconds: The wanted seconds.
        minutes: The wanted minutes.
        hours: The wanted hours.
        months: The wanted months, as bits 1 to 12.
        days: The wanted days.
        follows_clock: Whether the expression means every showing of its times on the clock, instead of one time a day.
    """

    seconds: int
    minutes: int
    hours: int
    months: int
    days: CronDays
    follows_clock: bool


def parse_cron(expression: str) -> CronRule:
    """Return what an expression means.

    Raises:
        ValueError: It is not valid, or there is no day on which it would run.
    """
    texts = _fields(expression)
    has_seconds = len(texts) == 6
    second, minute, hour, day, month, weekday = texts if has_seconds else ["0", *texts]
    months = _set(expression, _MONTH, month)
    rule = CronRule(
        seconds=_set(expression, _SECOND, second),
        minutes=_set(expression, _MINUTE, minute),
        hours=_set(expression, _HOUR, hour),
        months=months,
        days=_days(expression, day, weekday),
        follows_clock=_follows_clock(texts, has_seconds=has_seconds),
    )
    if not ever(rule.days, months):
        _refuse_never(expression, day, rule)
    return rule


def _fields(expression: str) -> list[str]:
    texts = expression.split()
    if expression.strip().startswith("@"):
        nickname = NICKNAMES.get(expression.strip().lower())
        if nickname is None:
            hint = did_you_mean(expression, NICKNAMES)
            raise ValueError(f"cron {expression!r}: expected one of {', '.join(NICKNAMES)}{hint}")
        texts = nickname.split()
    if len(texts) not in {5, 6}:
        hint = "; years are not supported, between() limits a schedule" if len(texts) == 7 else ""
        raise ValueError(
            f"cron {expression!r}: expected 5 fields (minute, hour, day of month, month, day of week) "
            f"or 6 (second in front), got {len(texts)}{hint}"
        )
    return texts


def _follows_clock(texts: list[str], *, has_seconds: bool) -> bool:
    """Return whether the expression follows the clock through gaps and both passes of overlaps.

    Five fields are Debian's: they do if the minute or the hour starts with `*`.
    With seconds, any `*`, range or step in the three time fields is enough, as in Cronos.
    So is a `?` anywhere: it belongs to the dialect of Quartz and robfig/cron, where every expression does.
    """
    if not has_seconds:
        return texts[0][0] in "*?" or texts[1][0] in "*?"
    return "?" in "".join(texts) or any(mark in text for text in texts[:3] for mark in "*-/")


def _set(expression: str, field: Field, text: str) -> int:
    bits = 0
    for part in text.split(","):
        bits |= _part(expression, field, part)
    return bits


def _days(expression: str, day: str, weekday: str) -> CronDays:
    days, weekdays = 0, 0
    special_days: list[FromEnd | NearestWeekday] = []
    special_weekdays: list[Nth] = []
    for part in day.split(","):
        special = _special_day(expression, part)
        if special is None:
            days |= _part(expression, _DAY, part)
        else:
            special_days.append(special)
    for part in weekday.split(","):
        nth = _special_weekday(expression, part)
        if nth is None:
            weekdays |= _part(expression, _WEEKDAY, part)
        else:
            special_weekdays.append(nth)
    from_monday = (weekdays >> 1 | weekdays << 6) & 0x7F  # both 0 and 7 are Sunday
    both = day[0] in "*?" or weekday[0] in "*?"
    return CronDays(days, tuple(special_days), from_monday, tuple(special_weekdays), both)


def _part(expression: str, field: Field, part: str) -> int:
    """Return the bits of one part of a list: `*`, `5`, `1-5`, `*/2`, `5/2` or `1-5/2`."""
    body, slash, step_text = part.partition("/")
    if body in {"*", "?"}:
        low, high = field.low, field.high
        if body == "?" and slash:
            _refuse(expression, field, part)
    else:
        first, dash, last = body.partition("-")
        low = _value(expression, field, part, first)
        high = _value(expression, field, part, last) if dash else (field.high if slash else low)
    step = _step(expression, field, part, step_text) if slash else 1
    if high < low:  # wraps around; for weekdays, which have 8 numbers, by 7
        high += 7 if field is _WEEKDAY else field.high - field.low + 1
    return sum(1 << value for value in _wrapped(field, range(low, high + 1, step)))


def _wrapped(field: Field, values: range) -> set[int]:
    size = 7 if field is _WEEKDAY else field.high - field.low + 1
    return {value if value <= field.high else value - size for value in values}


def _step(expression: str, field: Field, part: str, text: str) -> int:
    if not _is_number(text) or not 1 <= int(text) <= field.high:
        _refuse(expression, field, part, f"a step from 1 to {field.high} after the slash")
    return int(text)


def _value(expression: str, field: Field, part: str, text: str) -> int:
    if _is_number(text):
        if not field.low <= int(text) <= field.high:
            # Minute 60 and hour 24 are what people write for 0.
            hint = "; did you mean 0?" if field.low == 0 and int(text) == field.high + 1 and not field.names else ""
            _refuse(expression, field, part, hint=hint)
        return int(text)
    for number, name in enumerate(field.names, field.base):
        if text.lower() in {name.lower(), name[:3].lower()}:
            return number
    hint = did_you_mean(text, [name[:3].lower() for name in field.names]) if text.isalpha() else ""
    return _refuse(expression, field, part, hint=hint)


def _special_day(expression: str, part: str) -> FromEnd | NearestWeekday | None:
    text = part.upper()
    if text.startswith("L"):
        workday = text.endswith("W")
        dash, back = text[1:2], text.removesuffix("W")[2:]
        if text.removesuffix("W") == "L":
            return FromEnd(0, workday)
        if dash == "-" and _is_number(back) and int(back) <= 30:
            return FromEnd(int(back), workday)
        _refuse(expression, _DAY, part, "L, L-1 to L-30, LW or L-1W to L-30W")
    if text.endswith("W"):
        if _is_number(text[:-1]) and 1 <= int(text[:-1]) <= 31:
            return NearestWeekday(int(text[:-1]))
        _refuse(expression, _DAY, part, "1W to 31W")
    return None


def _special_weekday(expression: str, part: str) -> Nth | None:
    body, mark, number = part.partition("#")
    if mark:
        if not (len(number) == 1 and number in "12345"):
            _refuse(expression, _WEEKDAY, part, "a number from 1 to 5 after the #")
        return Nth((_value(expression, _WEEKDAY, part, body) - 1) % 7, int(number))
    if part.upper() == "L":
        _refuse(expression, _WEEKDAY, part, "a day before the L", "; 5L is the last Friday")
    if part[-1:].upper() == "L":
        return Nth((_value(expression, _WEEKDAY, part, part[:-1]) - 1) % 7, 0)
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _refuse(expression: str, field: Field, part: str, expected: str = "", hint: str = "") -> NoReturn:
    if not expected:
        expected = f"{field.low} to {field.high}"
        if field.names:
            expected += f", a name such as {field.names[1 - field.base].lower()[:3]}"
        expected += ", *, a range such as 1-5, or a step such as */2"
    raise ValueError(f"cron {expression!r}: {field.name} {part!r}: expected {expected}{hint}")


def _refuse_never(expression: str, day: str, rule: CronRule) -> NoReturn:
    wanted = [month for month in range(1, 13) if rule.months >> month & 1]
    longest = max(LONGEST[month] for month in wanted)
    if ever(rule.days._replace(weekdays=ALL_WEEKDAYS, both=True), rule.months):
        reason = "no day matches both the day of month and the day of week"
    elif len(wanted) == 1:
        reason = f"{MONTHS[wanted[0] - 1]} has at most {longest} days"
    else:
        reason = f"{listed([MONTHS[month - 1] for month in wanted])} have at most {longest} days"
    raise ValueError(f"cron {expression!r}: day of month {day!r} never occurs: {reason}")
