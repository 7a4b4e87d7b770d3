"""An instance that starts when someone says a line, and says so when it has run something."""

from __future__ import annotations

import logging
import os
import sys

import tasker
from tasker import schedule

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
scheduler = tasker.Scheduler(sys.argv[1], name=f"instance {os.getpid()}")
scheduler.add(f"greeting of {os.getpid()}", schedule.Interval(days=1), lambda: print("up"))
print("ready")
sys.stdin.readline()
tasker.main(scheduler, grace=20)
