"""An instance of an application, whose one job says when it starts, and runs until it is told to stop."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import tasker
from tasker import Context, Scheduler, schedule

START = datetime(2026, 1, 1, tzinfo=UTC)


def job(ctx: Context) -> None:
    """Say when it started, and wait."""
    print(time.monotonic(), flush=True)
    ctx.sleep(3_600)


scheduler = Scheduler(sys.argv[1])
tasker.main(scheduler.with_schedule("job", schedule.Interval(seconds=1, anchor=START), job))
