"""What a cron expression says, in words."""

from __future__ import annotations

from tasker.schedule._cron_days import ALL_DAYS, ALL_WEEKDAYS, CronDays, FromEnd, NearestWeekday, Nth
from tasker.schedule._cron_parse import CronRule
from tasker.schedule._words import MONTHS, WEEKDAYS, clock, from_the_end, listed, ordinal, weekday_words

_MOST_TIMES = 4  # more times of day than these are not listed one by one
_MOST_DAYS = 3


def cron_words(rule: CronRule) -> str:
    """Return when a cron expression runs, such as `every weekday at 08:30` or `every 5 minutes on the 1st`."""
    hours, minutes, seconds = _numbers(rule.hours, 24), _numbers(rule.minutes, 60), _numbers(rule.seconds, 60)
    days = _days(rule.days, _months(rule.months))
    if len(hours) * len(minutes) * len(seconds) > _MOST_TIMES:
        often = _often([_part(seconds, 60, "second"), _part(minutes, 60, "minute"), _part(hours, 24, "hour")])
        return often if days == "every day" else f"{often} {days.replace('every day in', 'in')}"
    times = [clock(hour, minute, second) for hour in hours for minute in minutes for second in seconds]
    return f"{days.removeprefix('on ') if days.startswith('on every') else days} at {listed(times)}"


def _often(parts: list[str]) -> str:
    """Join what is said about seconds, minutes and hours, such as `minutes 0 and 30` and `every 2 hours`."""
    if parts[0] == "second 0":
        parts = parts[1:]
    if parts[0] == "minute 0" and parts[1].startswith("every"):
        parts = parts[1:]
    if parts[0].startswith("every"):  # every 5 minutes of every hour
        return " of ".join([parts[0], *(part for part in parts[1:] if part not in {"every minute", "every hour"})])
    return " of ".join([f"at {parts[0]}", *parts[1:]])


def _part(numbers: list[int], size: int, unit: str) -> str:
    """Return `every minute`, `every 5 minutes`, `minute 7` or `minutes 10, 20, and 21`."""
    if len(numbers) == size:
        return f"every {unit}"
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if step and size % step == 0 and numbers == list(range(0, size, step)):
        return f"every {step} {unit}s"
    return _counted(numbers, unit)


def _counted(numbers: list[int], unit: str) -> str:
    if len(numbers) == 1:
        return f"{unit} {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{unit}s {numbers[0]} to {numbers[-1]}"
    return f"{unit}s {listed([str(number) for number in numbers])}"


def _days(days: CronDays, months: str) -> str:
    """Return the days, such as `every day`, `on every weekday` or `on the 1st and the last day of every month`."""
    by_day, by_weekday = _by_day(days, months or "every month"), _by_weekday(days, months)
    if not by_day and not by_weekday:
        return f"every day in {months}" if months else "every day"
    if not by_day or not by_weekday:
        return f"on {by_day or by_weekday}"
    if not days.both:
        return f"on {by_day}, and on {by_weekday},"
    return f"on {by_day} if it is {by_weekday.replace('every', 'a').replace(' and ', ' or ')}"


def _by_day(days: CronDays, months: str) -> str:
    if days.days == ALL_DAYS:
        return ""
    numbers = _numbers(days.days, 32)
    named = [f"the {ordinal(day)}" for day in numbers] if len(numbers) <= _MOST_DAYS else [_counted(numbers, "day")]
    named += [_special_day(special) for special in days.special_days]
    return f"{listed(named)} of {months}"


def _special_day(special: FromEnd | NearestWeekday) -> str:
    if isinstance(special, NearestWeekday):
        return f"the weekday nearest to the {ordinal(special.day)}"
    day = f"the {from_the_end(special.back + 1)} day"
    return f"the weekday nearest to {day}" if special.nearest_weekday else day


def _by_weekday(days: CronDays, months: str) -> str:
    if days.weekdays == ALL_WEEKDAYS:
        return ""
    named = [f"every {weekday_words(_numbers(days.weekdays, 7))}"] if days.weekdays else []
    named += [f"the {_nth(nth)}" for nth in days.special_weekdays]
    if days.special_weekdays:
        return f"{listed(named)} of {months or 'every month'}"
    return listed(named) + (f" in {months}" if months else "")


def _nth(nth: Nth) -> str:
    return f"{ordinal(nth.number) if nth.number else 'last'} {WEEKDAYS[nth.weekday]}"


def _months(months: int) -> str:
    numbers = _numbers(months, 13)
    return "" if len(numbers) == 12 else listed([MONTHS[number - 1] for number in numbers])


def _numbers(bits: int, size: int) -> list[int]:
    return [number for number in range(size) if bits >> number & 1]
