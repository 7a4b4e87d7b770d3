"""Schedules: pure rules that yield instants.

>>> from datetime import UTC, datetime
>>> from tasker import schedule
>>> backup = schedule.Daily(hour=3, tz="Europe/Berlin")
>>> print(backup)
every day at 03:00 in Europe/Berlin
>>> print(backup.next_after(datetime(2026, 7, 1, tzinfo=UTC)))
2026-07-01 03:00:00+02:00
"""

from tasker.schedule._at import At
from tasker.schedule._combinable import Combinable, combinable, counts_from_last_run, with_salt
from tasker.schedule._cron import Cron
from tasker.schedule._daily import Daily
from tasker.schedule._interval import Interval
from tasker.schedule._monthly import Monthly, ShortMonth
from tasker.schedule._parse import parse
from tasker.schedule._protocol import Schedule
from tasker.schedule._upcoming import upcoming
from tasker.schedule._wall_clock import Fold, Gap
from tasker.schedule._weekly import Weekly
from tasker.schedule._yearly import Yearly

__all__ = [
    "At",
    "Combinable",
    "Cron",
    "Daily",
    "Fold",
    "Gap",
    "Interval",
    "Monthly",
    "Schedule",
    "ShortMonth",
    "Weekly",
    "Yearly",
    "combinable",
    "counts_from_last_run",
    "parse",
    "upcoming",
    "with_salt",
]
