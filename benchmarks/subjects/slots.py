"""How long it takes to find the next slot, beside croniter, cronsim, and the triggers of APScheduler 3.

Every program walks from slot to slot in Europe/Berlin in the fastest way that it offers, so that reading an expression
is not counted, and the slots of all must be the same. APScheduler's calendar trigger is shown and not compared: it adds
a day or a month to the slot before, and cannot say what comes after an instant.
"""

# ruff: noqa: D103 - names say it all

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

from benchmarks.effort import Effort
from benchmarks.report import Goal, Report, figures_table
from benchmarks.rounds import Figures, Rounds, take_turns
from tasker.schedule import Cron, Daily, Interval, Monthly, Schedule, Weekly, Yearly

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2025, 1, 15, 10, 2, 30, tzinfo=ZONE)
SLOTS = 300
FASTER = 3.0
MOST_MICROSECONDS = 20.0
COMPARED_WITH = ("cronsim", "croniter", "APS cron")
US = {"us": "µs a slot"}

Walk = Callable[[], Iterator[datetime]]

COMPARED: dict[str, tuple[Schedule, str]] = {
    "*/5 * * * *": (Cron("*/5 * * * *", ZONE), "*/5 * * * *"),
    "0 12 3 * *": (Cron("0 12 3 * *", ZONE), "0 12 3 * *"),
    "0 0 29 2 *": (Cron("0 0 29 2 *", ZONE), "0 0 29 2 *"),
    "Daily(12)": (Daily(12, tz=ZONE), "0 12 * * *"),
    "Monthly(3, 12)": (Monthly(3, 12, tz=ZONE), "0 12 3 * *"),
}
CALENDAR = {
    "Daily(12)": CalendarIntervalTrigger(days=1, hour=12, start_date=date(2025, 1, 15), timezone=ZONE),
    "Monthly(3, 12)": CalendarIntervalTrigger(months=1, hour=12, start_date=date(2025, 2, 3), timezone=ZONE),
}
OTHERS: dict[str, Schedule] = {
    "Interval(seconds=5)": Interval(seconds=5),
    "Interval(seconds=5, anchor=...)": Interval(seconds=5, anchor=START),
    "Weekly(mon, fri)": Weekly(("mon", "fri"), 12, tz=ZONE),
    "Yearly(12, 24)": Yearly(12, 24, 18, tz=ZONE),
    "* * * * * *": Cron("* * * * * *", ZONE),
    "0 9 LW * *": Cron("0 9 LW * *", ZONE),
    "0 0 13 * 5": Cron("0 0 13 * 5", ZONE),
    "0 0 29 2 */7, every 28 years": Cron("0 0 29 2 */7", ZONE),
    "Daily | Daily": Daily(3, tz=ZONE) | Daily(15, tz=ZONE),
    "Daily.between(...)": Daily(3, tz=ZONE).between(START, None),
    "Daily.except_on(...)": Daily(3, tz=ZONE).except_on([date(2025, 12, 25)]),
    "Daily.jitter(60)": Daily(3, tz=ZONE).jitter(60),
    "*/5 * * * * jittered by 60 s": Cron("*/5 * * * *", ZONE).jitter(60),
}


def walk_ours(schedule: Schedule) -> Walk:
    def walk() -> Iterator[datetime]:
        slot = schedule.next_after(START)
        while slot is not None:
            yield slot
            slot = schedule.next_after(slot)

    return walk


def walk_ours_from_utc(schedule: Schedule) -> Walk:
    """Walk as a scheduler does, which keeps instants in UTC."""

    def walk() -> Iterator[datetime]:
        slot = schedule.next_after(START.astimezone(UTC))
        while slot is not None:
            yield slot
            slot = schedule.next_after(slot.astimezone(UTC))

    return walk


def walk_cronsim(expression: str) -> Walk:
    return lambda: CronSim(expression, START)


def walk_croniter(expression: str) -> Walk:
    def walk() -> Iterator[datetime]:
        walker = croniter(expression, START)
        while True:
            yield walker.get_next(datetime)

    return walk


def walk_apscheduler(trigger: CronTrigger | CalendarIntervalTrigger) -> Walk:
    def walk() -> Iterator[datetime]:
        slot = trigger.get_next_fire_time(None, START)
        while slot is not None:
            yield slot
            slot = trigger.get_next_fire_time(slot, slot)

    return walk


def microseconds_a_slot(walk: Walk) -> tuple[float, list[str]]:
    """Return the time for one slot, and the slots."""
    walker = walk()
    slots = [next(walker)]
    # The time of the processor: other programs that run meanwhile do not count.
    began = time.process_time()
    slots += islice(walker, SLOTS)
    took = time.process_time() - began
    return took / (len(slots) - 1) * 1e6, [slot.isoformat() for slot in slots]


def measure(effort: Effort) -> Report:
    """Measure each kind of schedule, and compare those that a cron expression can say."""
    compared = {title: _compare(title, effort) for title in COMPARED}
    others = take_turns({title: _program(walk_ours(schedule)) for title, schedule in OTHERS.items()}, effort.many)
    ratios = [rounds.ratio("us", peer, "tasker") for rounds in compared.values() for peer in COMPARED_WITH]
    slowest = max((others.of(title, "us") for title in OTHERS), key=lambda found: found.median if found else 0.0)
    return Report(
        "The next slot",
        f"{SLOTS} slots in Europe/Berlin, one after another; every program that can say the schedule finds the same.\n"
        "Measured is the time of the processor.",
        [
            Goal(
                "next slot: how many times faster, at least",
                "the fastest of croniter, cronsim and APScheduler 3",
                min((ratio for ratio in ratios if ratio), default=None),
                FASTER,
                at_least=True,
            ),
            Goal("next slot of any schedule", "", slowest, MOST_MICROSECONDS, "µs"),
        ],
        [
            *(f"`{title}`:\n\n{figures_table(rounds, US)}" for title, rounds in compared.items()),
            figures_table(others, US, "schedule"),
        ],
    )


def _compare(title: str, effort: Effort) -> Rounds:
    schedule, expression = COMPARED[title]
    walks = {
        "tasker": walk_ours(schedule),
        "tasker, from UTC": walk_ours_from_utc(schedule),
        "cronsim": walk_cronsim(expression),
        "croniter": walk_croniter(expression),
        "APS cron": walk_apscheduler(CronTrigger.from_crontab(expression, timezone=ZONE)),
    }
    if title in CALENDAR:
        walks["APS calendar"] = walk_apscheduler(CALENDAR[title])
    found = {name: microseconds_a_slot(walk)[1] for name, walk in walks.items()}
    wrong = [name for name, slots in found.items() if slots != found["tasker"]]
    assert not wrong, f"other slots of {title} than tasker's: {', '.join(wrong)}"
    return take_turns({name: _program(walk) for name, walk in walks.items()}, effort.many)


def _program(walk: Walk) -> Callable[[], Figures]:
    return lambda: {"us": microseconds_a_slot(walk)[0]}
