"""Schedules against a slow and obvious search, minute by minute, in random zones around their changes of clocks.

The search knows nothing of offsets or folds: it looks at what the clock on the wall shows each minute.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasker.schedule import (
    At,
    Combinable,
    Cron,
    Daily,
    Fold,
    Gap,
    Interval,
    Monthly,
    ShortMonth,
    Weekly,
    Yearly,
    upcoming,
)

ZONES = sorted(available_timezones() - {"localtime"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = timedelta(microseconds=1)
SEARCHED = 40 * 60  # minutes
MARGIN = 26 * 60  # no clock jumps further
GAPS: list[Gap] = ["shift", "skip"]
FOLDS: list[Fold] = ["first", "second", "both"]
SHORT_MONTHS: list[ShortMonth] = ["last", "skip"]


@dataclass(frozen=True)
class Case:
    """A schedule, what wall times it wants, and an instant to ask about."""

    schedule: Combinable
    wants: Callable[[datetime], bool]
    zone: ZoneInfo
    gap: str
    fold: str
    after: datetime


def brute_force(case: Case) -> list[datetime]:
    """Return the slots of the next 40 hours, in UTC."""
    start = case.after.replace(second=0, microsecond=0) - MARGIN * MINUTE
    instants = [start + minutes * MINUTE for minutes in range(SEARCHED + 2 * MARGIN)]
    walls = [instant.astimezone(case.zone).replace(tzinfo=None) for instant in instants]
    first = dict(zip(reversed(walls), reversed(instants), strict=True))
    last = dict(zip(walls, instants, strict=True))
    slots = []
    for index in range(MARGIN, MARGIN + SEARCHED):
        instant, wall, previous = instants[index], walls[index], walls[index - 1]
        counts = {"first": first[wall] == instant, "second": last[wall] == instant, "both": True}[case.fold]
        skipped = range(1, (wall - previous) // MINUTE)
        shifted = case.gap == "shift" and any(case.wants(previous + minutes * MINUTE) for minutes in skipped)
        if instant > case.after and (shifted or (counts and case.wants(wall))):
            slots.append(instant)
    return slots


def changes_in(zone: ZoneInfo, year: int) -> list[datetime]:
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for index, day in enumerate(days[:-1]) if offsets[index] != offsets[index + 1]]


@st.composite
def places(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone and an instant, most often near a change of its clocks."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    year = draw(st.integers(1975, 2080))
    near = changes_in(zone, year) or [datetime(year, draw(st.integers(1, 12)), 1, tzinfo=UTC)]
    seconds = draw(st.integers(-20 * 3600, 40 * 3600) | st.integers(-20, 40).map(lambda hours: hours * 3600))
    return zone, draw(st.sampled_from(near)) + timedelta(seconds=seconds)


@st.composite
def calendar_cases(draw: st.DrawFn, kind: str) -> Case:
    zone, after = draw(places())
    gap, fold = draw(st.sampled_from(GAPS)), draw(st.sampled_from(FOLDS))
    # A wall time of the hours that are searched, so that also a yearly schedule has a slot in them.
    wanted = (after + timedelta(minutes=draw(st.integers(0, SEARCHED)))).astimezone(zone)
    hour = draw(st.just(wanted.hour) | st.integers(0, 3))
    minute = draw(st.just(wanted.minute) | st.sampled_from([0, 30]))
    schedule: Combinable
    on_day: Callable[[datetime], bool]
    if kind == "daily":
        on_day = _any_day
        schedule = Daily(hour, minute, tz=zone, gap=gap, fold=fold)
    elif kind == "weekly":
        weekdays = draw(st.sets(st.integers(0, 6), min_size=1))
        on_day = _on_weekdays(weekdays)
        schedule = Weekly(sorted(weekdays), hour, minute, tz=zone, gap=gap, fold=fold)
    else:
        day = draw(st.just(wanted.day) | st.sampled_from([29, 30, 31, -1, -29, -30, -31]) | st.integers(1, 31))
        short_month = draw(st.sampled_from(SHORT_MONTHS))
        month = draw(st.just(wanted.month) | st.integers(1, 12)) if kind == "yearly" else None
        if month is not None:
            day = min(day, calendar.monthrange(2024, month)[1])
            day = max(day, -calendar.monthrange(2024, month)[1])
            schedule = Yearly(month, day, hour, minute, tz=zone, short_month=short_month, gap=gap, fold=fold)
        else:
            schedule = Monthly(day, hour, minute, tz=zone, short_month=short_month, gap=gap, fold=fold)
        on_day = _on_day_of_month(day, short_month, month)
    return Case(schedule, _at_time(on_day, hour, minute), zone, gap, fold, after)


def _any_day(day: datetime) -> bool:
    return True


def _on_weekdays(weekdays: set[int]) -> Callable[[datetime], bool]:
    return lambda day: day.weekday() in weekdays


def _on_day_of_month(day: int, short_month: str, month: int | None) -> Callable[[datetime], bool]:
    def on_day(wall: datetime) -> bool:
        if month not in {None, wall.month}:
            return False
        days = list(range(1, calendar.monthrange(wall.year, wall.month)[1] + 1))
        if abs(day) <= len(days):
            return wall.day == days[day - 1 if day > 0 else day]
        return short_month == "last" and wall.day == days[-1 if day > 0 else 0]

    return on_day


def _at_time(on_day: Callable[[datetime], bool], hour: int, minute: int) -> Callable[[datetime], bool]:
    return lambda wall: (wall.hour, wall.minute) == (hour, minute) and on_day(wall)


@st.composite
def number_fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    """The text of a field of a cron expression, and the numbers that it means."""
    everything = range(low, high + 1)
    shape = draw(st.sampled_from(["star", "step", "list", "range", "from"]))
    step = draw(st.integers(1, min(high, 20)))
    first, last = draw(st.sampled_from(everything)), draw(st.sampled_from(everything))
    if shape == "star":
        return "*", set(everything)
    if shape == "step":
        return f"*/{step}", set(everything[::step])
    if shape == "from":
        return f"{first}/{step}", set(range(first, high + 1, step))
    if shape == "range":
        both = [*everything, *everything]
        start = everything.index(first)
        return f"{first}-{last}", set(both[start : both.index(last, start) + 1])
    numbers = draw(st.sets(st.sampled_from(everything), min_size=1, max_size=4))
    return ",".join(map(str, numbers)), numbers


Days = tuple[str, Callable[[datetime], bool]]


@st.composite
def days_of_month(draw: st.DrawFn, wanted: int) -> Days:
    shape = draw(st.sampled_from(["numbers", "day", "L", "L-n", "W", "LW"]))
    number = draw(st.integers(1, 28) | st.just(wanted))
    if shape == "numbers":
        text, numbers = draw(number_fields(1, 31))
        return text, lambda wall: wall.day in numbers
    if shape == "day":
        return str(wanted), lambda wall: wall.day == wanted
    if shape == "L":
        return "L", lambda wall: (wall + timedelta(days=1)).day == 1
    if shape == "L-n":
        back = min(number, 30)
        return f"L-{back}", lambda wall: wall.day == _length(wall) - back
    if shape == "W":
        return f"{number}W", lambda wall: _is_nearest_weekday(wall, number)
    return "LW", lambda wall: _is_nearest_weekday(wall, _length(wall))


def _length(wall: datetime) -> int:
    return calendar.monthrange(wall.year, wall.month)[1]


def _is_nearest_weekday(wall: datetime, day: int) -> bool:
    if day > _length(wall):
        return False
    weekdays = [d for d in range(1, _length(wall) + 1) if date(wall.year, wall.month, d).weekday() < 5]
    # A Saturday has a Friday one day before it, a Sunday a Monday one day after: never two at the same distance.
    return wall.day == min(weekdays, key=lambda candidate: abs(candidate - day))


@st.composite
def days_of_week(draw: st.DrawFn) -> Days:
    shape = draw(st.sampled_from(["star", "numbers", "#", "L"]))
    number, nth = draw(st.integers(0, 6)), draw(st.integers(1, 5))
    if shape == "star":
        return "*", _any_day
    if shape == "numbers":
        numbers = draw(st.sets(st.integers(0, 7), min_size=1))
        return ",".join(map(str, numbers)), lambda wall: bool(numbers & {wall.isoweekday(), wall.isoweekday() % 7})
    if shape == "#":
        return f"{number}#{nth}", lambda wall: wall.isoweekday() % 7 == number and (wall.day - 1) // 7 == nth - 1
    return f"{number}L", lambda wall: wall.isoweekday() % 7 == number and wall.day > _length(wall) - 7


@st.composite
def cron_cases(draw: st.DrawFn) -> Case:
    zone, after = draw(places())
    wanted = (after + timedelta(minutes=draw(st.integers(0, SEARCHED)))).astimezone(zone)
    minute_text, minutes = draw(number_fields(0, 59))
    hour_text, hours = draw(number_fields(0, 23) | st.just((str(wanted.hour), {wanted.hour})))
    month_text, months = draw(st.just(("*", set(range(1, 13)))) | st.just((str(wanted.month), {wanted.month})))
    day_text, on_day = draw(st.just(("*", _any_day)) | days_of_month(wanted.day))
    weekday_text, on_weekday = draw(days_of_week())
    either = "*" not in {day_text[0], weekday_text[0]}

    def wants(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        if either:
            return on_day(wall) or on_weekday(wall)
        return on_day(wall) and on_weekday(wall)

    gap: Gap | None = draw(st.none() | st.sampled_from(GAPS))
    fold: Fold | None = draw(st.none() | st.sampled_from(FOLDS))
    follows = minute_text[0] == "*" or hour_text[0] == "*"
    expression = f"{minute_text} {hour_text} {day_text} {month_text} {weekday_text}"
    try:
        schedule = Cron(expression, zone, gap=gap, fold=fold)
    except ValueError as error:
        assert "never occurs" in str(error)  # noqa: PT017  anything else is a bug
        schedule = Cron("0 0 29 2 *", zone, gap=gap, fold=fold)
        return Case(schedule, _never, zone, "skip", "both", after.replace(month=5, day=1))
    usual_gap, usual_fold = ("skip", "both") if follows else ("shift", "first")
    return Case(schedule, wants, zone, gap or usual_gap, fold or usual_fold, after)


def _never(wall: datetime) -> bool:
    return False


CASES = {
    "daily": calendar_cases("daily"),
    "weekly": calendar_cases("weekly"),
    "monthly": calendar_cases("monthly"),
    "yearly": calendar_cases("yearly"),
    "cron": cron_cases(),
}
ANY_CASE = st.one_of(*CASES.values())


def in_utc(slot: datetime | None) -> datetime:
    # Python finds a datetime in a repeated hour unequal to every datetime in another zone.
    return datetime.max.replace(tzinfo=UTC) if slot is None else slot.astimezone(UTC)


@pytest.mark.parametrize("kind", CASES)
def test_the_next_slots_are_those_that_a_search_minute_by_minute_finds(kind: str) -> None:
    @given(CASES[kind])
    def check(case: Case) -> None:
        expected = brute_force(case)[:50]
        found = [in_utc(slot) for slot in upcoming(case.schedule, len(expected) + 1, after=case.after)]
        assert found[: len(expected)] == expected
        if len(expected) < 50 and len(found) > len(expected):
            assert found[-1] >= case.after.replace(second=0, microsecond=0) + SEARCHED * MINUTE

    check()


@given(ANY_CASE)
def test_slots_increase_strictly_and_exist_in_their_zone(case: Case) -> None:
    last = case.after
    for slot in upcoming(case.schedule, 30, after=case.after):
        assert in_utc(slot) > in_utc(last)
        assert slot.tzinfo is case.zone
        back = slot.astimezone(UTC).astimezone(case.zone)
        assert (back.replace(fold=0), back.fold) == (slot.replace(fold=0), slot.fold)
        last = slot


@given(ANY_CASE, st.floats(0, 1), st.booleans())
def test_the_next_slot_is_the_same_from_every_instant_in_between(case: Case, share: float, local: bool) -> None:
    slot = in_utc(case.schedule.next_after(case.after))
    between = case.after + min(slot - case.after - TICK, timedelta(days=365)) * share
    assert in_utc(case.schedule.next_after(between.astimezone(case.zone) if local else between)) == slot


@given(
    st.integers(1, 10**13),
    st.integers(0, 10**16).map(lambda micros: EPOCH + micros * TICK),
    st.integers(0, 10**16).map(lambda micros: EPOCH + micros * TICK),
)
def test_an_anchored_interval_is_the_first_multiple_after_the_instant(
    micros: int, anchor: datetime, after: datetime
) -> None:
    slot = Interval(seconds=micros / 1e6, anchor=anchor).next_after(after)
    assert slot is not None
    assert timedelta(0) < slot - after <= micros * TICK
    assert (slot - anchor) % (micros * TICK) == timedelta(0)


@given(ANY_CASE, st.data())
def test_a_union_has_the_slots_of_both_and_no_others(case: Case, data: st.DataObject) -> None:
    other = At(
        *(case.after + timedelta(minutes=minutes) for minutes in data.draw(st.sets(st.integers(1, 999), min_size=1)))
    )
    both = upcoming(case.schedule | other, 20, after=case.after)
    apart = [*upcoming(case.schedule, 20, after=case.after), *upcoming(other, 20, after=case.after)]
    assert [in_utc(slot) for slot in both] == sorted(set(map(in_utc, apart)))[: len(both)]


@given(ANY_CASE, st.sets(st.integers(0, 4), min_size=1))
def test_excepted_dates_lose_their_slots_and_no_others(case: Case, days: set[int]) -> None:
    start = case.after.astimezone(case.zone).date()
    dates = [start + timedelta(days=day) for day in days]
    kept = [slot for slot in upcoming(case.schedule, 40, after=case.after) if slot.date() not in dates]
    found = upcoming(case.schedule.except_on(dates), len(kept), after=case.after)
    assert list(map(in_utc, found)) == list(map(in_utc, kept))


@given(ANY_CASE, st.integers(1, 3000), st.integers(1, 3000))
def test_a_window_keeps_the_slots_from_its_start_to_before_its_end(case: Case, begin: int, length: int) -> None:
    start = case.after + timedelta(minutes=begin)
    end = start + timedelta(minutes=length)
    inside = [slot for slot in map(in_utc, upcoming(case.schedule, 100, after=start - TICK)) if slot < end]
    found = upcoming(case.schedule.between(start, end), len(inside) + (len(inside) < 100), after=case.after)
    assert list(map(in_utc, found)) == inside


@given(ANY_CASE, st.integers(1, 10**11), st.text(max_size=5))
def test_a_jittered_slot_is_late_by_at_most_the_duration_and_before_the_next_slot(
    case: Case, micros: int, salt: str
) -> None:
    jittered = case.schedule.jitter(micros * TICK, salt)
    slots = list(map(in_utc, upcoming(case.schedule, 12, after=case.after)))
    moved = list(map(in_utc, upcoming(jittered, 11, after=slots[0] - TICK if slots else case.after)))
    for slot, following, late in zip(slots, slots[1:], moved, strict=False):
        assert slot <= late < following
        assert late - slot <= micros * TICK


@given(ANY_CASE, st.integers(1, 10**11), st.floats(0, 1))
def test_a_jittered_slot_is_the_same_from_every_instant_before_it(case: Case, micros: int, share: float) -> None:
    jittered = case.schedule.jitter(micros * TICK, "id")
    slot = in_utc(jittered.next_after(case.after))
    between = case.after + min(slot - case.after - TICK, timedelta(days=365)) * share
    assert in_utc(jittered.next_after(between)) == slot
