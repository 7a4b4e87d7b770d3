"""How long it takes to find the next slot, beside croniter, cronsim, and the triggers of APScheduler 3.

Every program walks from slot to slot in Europe/Berlin in the fastest way that it offers, so that reading an expression
is not counted. The programs take turns, the best of several rounds counts, and the slots of all must be the same.
APScheduler's calendar trigger is shown and not compared: it adds a day or a month to the slot before, and cannot say
what comes after an instant. `make bench` installs the three and runs it; by hand, from the root of the project:

    python -m benchmarks.schedules [--rounds 5]
"""

# ruff: noqa: D103 - names say it all

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim

from tasker.schedule import Cron, Daily, Interval, Monthly, Schedule, Weekly, Yearly

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2025, 1, 15, 10, 2, 30, tzinfo=ZONE)
SLOTS = 300
FASTER = 3.0
MOST_MICROSECONDS = 20.0
COMPARED_WITH = ("cronsim", "croniter", "APS cron")
COLUMNS = ("tasker", "from UTC", *COMPARED_WITH, "APS calendar")

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


def measure(walks: dict[str, Walk], rounds: int) -> dict[str, float]:
    best: dict[str, float] = {}
    for _ in range(rounds):
        answers: dict[str, list[str]] = {}
        for name, walk in walks.items():
            took, answers[name] = microseconds_a_slot(walk)
            best[name] = min(took, best.get(name, took))
        wrong = [name for name, slots in answers.items() if slots != answers["tasker"]]
        if wrong:
            raise SystemExit(f"other slots than tasker's: {', '.join(wrong)}")
    return best


def compare(rounds: int) -> bool:
    print(f"{'microseconds a slot':20}", *(f"{name:>12}" for name in COLUMNS), f"{'ratio':>8}")
    good = True
    for title, (schedule, expression) in COMPARED.items():
        walks = {
            "tasker": walk_ours(schedule),
            "from UTC": walk_ours_from_utc(schedule),
            "cronsim": walk_cronsim(expression),
            "croniter": walk_croniter(expression),
            "APS cron": walk_apscheduler(CronTrigger.from_crontab(expression, timezone=ZONE)),
        }
        if title in CALENDAR:
            walks["APS calendar"] = walk_apscheduler(CALENDAR[title])
        best = measure(walks, rounds)
        ratio = min(best[name] for name in COMPARED_WITH) / best["tasker"]
        good = good and ratio >= FASTER
        print(f"{title:20}", *(f"{best.get(name, float('nan')):12.2f}" for name in COLUMNS), f"{ratio:7.1f}x")
    return good


def measure_others(rounds: int) -> bool:
    print()
    good = True
    for title, schedule in OTHERS.items():
        took = measure({"tasker": walk_ours(schedule)}, rounds)["tasker"]
        good = good and took <= MOST_MICROSECONDS
        print(f"{title:32} {took:.2f}")
    return good


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts")
    rounds = parser.parse_args().rounds
    print(f"\nat least {FASTER:g} times faster than the fastest: {'yes' if compare(rounds) else 'NO'}")
    print(f"\nat most {MOST_MICROSECONDS:g} microseconds a slot: {'yes' if measure_others(rounds) else 'NO'}")


if __name__ == "__main__":
    main()
