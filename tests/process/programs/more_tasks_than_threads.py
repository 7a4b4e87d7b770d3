"""More sync tasks than the system has threads for; those that have begun wait for the end.

The argument is the grace of `main`; with `stuck` as a second one they never end.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
from pathlib import Path

import tasker
from tasker import Context

MEBIBYTE = 1024 * 1024
STACK = 64 * MEBIBYTE
begun: list[Context] = []


def work(ctx: Context) -> None:
    begun.append(ctx)
    ctx.wait()
    leave.wait()


def watch(ctx: Context) -> None:
    print("ready")
    ctx.wait()
    print("context ended")
    if "stuck" not in sys.argv:
        leave.set()


leave = threading.Event()
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
threading.stack_size(STACK)
used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
limit = used + 30 * STACK
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
tasker.main(watch, *[work] * 200, grace=float(sys.argv[1]))
print("few begun" if len(begun) < 100 else f"{len(begun)} begun")
