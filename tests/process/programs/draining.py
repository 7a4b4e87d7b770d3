"""A service that drains: a task that says when its context ends, under `main` with the delay of the first argument."""

from __future__ import annotations

import logging
import sys
import time

import tasker
from tasker import Context


def work(ctx: Context) -> None:
    print("ready")
    while not ctx.wait(0.05):
        print("works")
    print("context ended")
    if "stuck" in sys.argv:
        time.sleep(1000)


def failing() -> None:
    print("ready")
    sys.stdin.readline()
    raise LookupError


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasks = [work, failing] if "failing" in sys.argv else [work]
tasker.main(*tasks, drain_delay=float(sys.argv[1]), grace=float(sys.argv[2]))
print("returned")
