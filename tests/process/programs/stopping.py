"""`with_shutdown` whose stop does not go well in the way that the argument says, under `main`."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time

import tasker
from tasker import Context

released = threading.Event()


def start() -> None:
    print("start ready")
    released.wait()
    print("start returned")


async def start_until_cancelled() -> None:
    try:
        print("start ready")
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("start cancelled")


def stop() -> None:
    print("stop called")
    released.set()


def hanging_stop() -> None:
    print("stop called")
    time.sleep(1000)


def failing_stop() -> None:
    raise LookupError("no such thing")


def other(ctx: Context) -> None:
    print("other ready")
    ctx.wait()
    print("other stopped")


grace = 30.0
match sys.argv[1]:
    case "stop hangs":
        grace = 1.0
        tasks = [tasker.with_shutdown(start, hanging_stop, grace=0.2)]
    case "stop hangs and would have more time":
        grace = 1.0
        tasks = [tasker.with_shutdown(start, hanging_stop, grace=1000) for _ in range(10)]
    case "start does not leave":
        grace = 1.0
        tasks = [tasker.with_shutdown(start, lambda: print("stop called"), grace=0.2)]
    case "start leaves when its grace is over":
        tasks = [tasker.with_shutdown(start_until_cancelled, lambda: print("stop called"), grace=0.2)]
    case "start leaves just before the budget is over":
        grace = 4.0
        tasks = [tasker.with_shutdown(start_until_cancelled, lambda: print("stop called"), grace=1000)]
    case "stop fails":
        tasks = [tasker.with_shutdown(start_until_cancelled, failing_stop)]
    case _:
        tasks = [tasker.with_shutdown(start, stop)]
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(other, *tasks, grace=grace)
print("returned")
