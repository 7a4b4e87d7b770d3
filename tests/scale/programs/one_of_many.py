"""One instance of many, with a hundred thousand schedules, whose runs only note when they were started."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tasker
from tasker import Run, schedule

NUMBER = 100_000
PERIOD = 100
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)

_, url = sys.argv
notes = os.environ["NOTES"]
ran: list[tuple[str, datetime, float]] = []


def work() -> None:
    run = Run.current()
    ran.append((run.schedule_id, run.slot, time.time()))


scheduler = tasker.Scheduler(url, name=f"instance {os.getpid()}")
schedules = [schedule.Interval(seconds=PERIOD, anchor=ANCHOR + timedelta(seconds=after)) for after in range(PERIOD)]
for number in range(NUMBER):
    scheduler.add(f"job {number}", schedules[number % PERIOD], work, first="next")
try:
    tasker.main(scheduler)
finally:
    Path(notes).write_text(json.dumps([(id, slot.timestamp(), at) for id, slot, at in ran]))
