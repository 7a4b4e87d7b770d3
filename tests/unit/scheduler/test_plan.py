from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tasker import schedule
from tasker.scheduler._plan import COUNTED, Plan, policy_of
from tests._support.slots import SECOND, at, plan, said

START = datetime(2026, 1, 1, tzinfo=UTC)
EACH_SECOND = schedule.Interval(seconds=1, anchor=START)


class Custom:
    """A schedule of somebody else's."""

    def __init__(self, answer: Callable[[datetime], object]) -> None:
        self.answer = answer

    def next_after(self, instant: datetime) -> datetime | None:
        return self.answer(instant)  # type: ignore[return-value]

    def __str__(self) -> str:
        return "custom"


def test_the_next_slot_is_given_in_microseconds() -> None:
    assert plan(schedule.Daily(hour=4, tz="Europe/Berlin")).next_after(at("07-01 03:00")) == at("07-02 02:00")


def test_a_plan_says_its_schedule() -> None:
    assert str(plan(schedule.Daily(hour=4, tz="UTC"))) == "every day at 04:00 in UTC"


def test_an_interval_that_was_derived_from_keeps_its_own_slots() -> None:
    class Later(schedule.Interval):
        def next_after(self, instant: datetime) -> datetime | None:
            slot = super().next_after(instant)
            return None if slot is None else slot + timedelta(hours=1)

    later = plan(Later(days=1, anchor=START))

    assert later.next_after(at("01-02 12:00")) == at("01-03 01:00")


def test_a_plan_says_the_same_in_every_process() -> None:
    class Nameless:
        def next_after(self, instant: datetime) -> datetime | None:
            return None

    texts = {str(plan(Nameless())), str(plan(Nameless()))}

    assert len(texts) == 1
    assert "Nameless" in texts.pop()


def test_the_jitter_depends_on_the_id() -> None:
    jittered = schedule.Daily(hour=4, tz="UTC").jitter(3600)
    policy = policy_of("run_once", None, "skip", "record", "auto")

    slots = {Plan(id, jittered, policy).next_after(at("01-01 00:00")) for id in "abcdef"}

    assert len(slots) == 6


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda _: datetime(2026, 1, 2), "datetime.datetime(2026, 1, 2, 0, 0)"),  # noqa: DTZ001 - that is the fault
        (lambda instant: instant, "came back as"),
        (lambda instant: instant - timedelta(microseconds=1), "came back as"),
    ],
    ids=["naive", "not later", "earlier"],
)
def test_a_schedule_that_breaks_its_promise_is_found_out(answer: Callable[[datetime], object], problem: str) -> None:
    broken = plan(Custom(answer))

    with pytest.raises(ValueError, match="custom: the slot after 2026-01-01 00:00:00") as caught:
        broken.next_after(at("01-01 00:00"))
    assert problem in str(caught.value)


def test_what_is_not_even_an_instant_is_an_error() -> None:
    with pytest.raises(AttributeError):
        plan(Custom(lambda _: "tomorrow")).next_after(at("01-01 00:00"))


def test_a_plan_knows_when_there_are_no_more_slots() -> None:
    assert plan(schedule.At(START)).next_after(at("01-01 00:00")) is None


@pytest.mark.parametrize(
    ("start", "now", "last", "count"),
    [
        ("01-01 04:00", "01-02 03:59", None, 0),
        ("01-01 04:00", "01-02 04:00", "01-02 04:00", 1),
        ("01-01 03:59", "01-03 23:00", "01-03 04:00", 3),
        ("01-05 00:00", "01-01 00:00", None, 0),
    ],
)
def test_the_slots_between_two_instants_are_counted(start: str, now: str, last: str | None, count: int) -> None:
    found, number = plan(schedule.Daily(hour=4, tz="UTC")).last_until(at(start), at(now))

    assert (said(found), number) == (last, count)


@pytest.mark.parametrize(
    ("rule", "now", "last"),
    [
        (EACH_SECOND, "12-31 23:59:59", "12-31 23:59:59"),
        # Its last slot was long ago.
        (EACH_SECOND.between(None, datetime(2026, 3, 1, tzinfo=UTC)), "12-31 00:00", "02-28 23:59:59"),
        # No slot for days before now, and very many before that.
        (EACH_SECOND.except_on([date(2026, 12, 30), date(2026, 12, 31)]), "12-31 12:00", "12-29 23:59:59"),
    ],
    ids=["dense", "ended", "with a gap"],
)
def test_the_last_of_very_many_slots_is_found_quickly(rule: schedule.Schedule, now: str, last: str) -> None:
    asked: list[datetime] = []

    def counting(instant: datetime) -> datetime | None:
        asked.append(instant)
        return rule.next_after(instant)

    found, number = plan(Custom(counting)).last_until(at("01-01 00:00"), at(now))

    assert (said(found), number) == (last, None)
    assert len(asked) < COUNTED + 60


def test_as_many_as_are_counted_are_counted_exactly() -> None:
    each_second = plan(EACH_SECOND)
    start = at("01-01 00:00")

    assert each_second.last_until(start, start + COUNTED * SECOND) == (start + COUNTED * SECOND, COUNTED)
    assert each_second.last_until(start, start + (COUNTED + 1) * SECOND) == (start + (COUNTED + 1) * SECOND, None)


def test_a_year_of_missed_seconds_takes_no_time() -> None:
    begun = time.thread_time()

    plan(schedule.Cron("* * * * * *", tz="Europe/Berlin")).last_until(at("01-01 00:00"), at("12-31 23:59:59"))

    assert time.thread_time() - begun < 1


@pytest.mark.parametrize(
    ("argument", "value", "known"),
    [
        ("misfire", "never", "'run_once', 'skip', 'run_all'"),
        ("misfire", None, "'run_once', 'skip', 'run_all'"),
        ("overlap", "SKIP", "'skip', 'queue'"),
        ("on_failure", ["raise"], "'record', 'raise'"),
        ("first", "later", "'auto', 'now', 'next'"),
    ],
)
def test_an_unknown_policy_is_refused_with_the_known_ones(argument: str, value: object, known: str) -> None:
    policy: dict[str, Any] = {argument: value}

    with pytest.raises(ValueError, match=argument) as caught:
        plan(EACH_SECOND, **policy)
    assert str(caught.value) == f"{argument}: expected one of {known}, got {value!r}"


@pytest.mark.parametrize(
    ("late", "error", "message"),
    [
        (-1, ValueError, "late: expected a duration of zero or more, got -1"),
        (0, ValueError, "late: expected a duration of more than zero, got 0"),
        (float("nan"), ValueError, "late: expected a finite duration, got nan"),
        (True, TypeError, "late: expected a timedelta or a number of seconds, got True"),
        ("1h", TypeError, "late: expected a timedelta or a number of seconds, got '1h'"),
        (
            datetime(2026, 1, 1),  # noqa: DTZ001 - an instant is none, with or without a zone
            TypeError,
            "late: expected a timedelta or a number of seconds, got datetime.datetime(2026, 1, 1, 0, 0)",
        ),
    ],
)
def test_a_lateness_that_makes_no_sense_is_refused(late: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        plan(EACH_SECOND, late=late)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_lateness_is_kept_in_microseconds() -> None:
    assert plan(EACH_SECOND, late=timedelta(minutes=5)).policy.late == 300 * SECOND


@pytest.mark.parametrize("given", ["0 4 * * *", None, 5, schedule.Daily, datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_is_no_schedule_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match=r"schedule: expected a schedule, an object with next_after\(instant\), got "):
        plan(given)  # type: ignore[arg-type]


def test_a_text_is_told_about_parse() -> None:
    with pytest.raises(TypeError, match=r"schedule\.parse reads one from a text"):
        plan("daily 04:00")  # type: ignore[arg-type]
