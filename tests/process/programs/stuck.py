"""Tasks that never stop, under `main` with the grace of the first argument; the others name them.

What they print is `ready` once for each.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import time

import tasker
from tasker import Context

lock = threading.Lock()
lock.acquire()


def in_sleep() -> None:
    try:
        print("ready")
        time.sleep(1000)
    finally:
        print("not reached")


def at_lock() -> None:
    print("ready")
    lock.acquire()


def in_python() -> None:
    print("ready")
    while True:
        pass


async def swallowing() -> None:
    print("ready")
    await swallow()


async def swallow() -> None:
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass


async def blocking_the_loop() -> None:
    print("ready")
    time.sleep(1000)  # noqa: ASYNC251 - the loop is blocked on purpose


async def in_executor() -> None:
    print("ready")
    await asyncio.to_thread(time.sleep, 1000)


async def leaving_a_thread() -> None:
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)  # type: ignore[unused-awaitable]
    print("ready")


def stopping(ctx: Context) -> None:
    print("ready")
    ctx.wait()


def failing() -> None:
    print("ready")
    raise LookupError("no such thing")


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
atexit.register(print, "not reached")
tasker.main(
    tasker.sequence(*(globals()[name] for name in sys.argv[2:3])),
    *(globals()[name] for name in sys.argv[3:]),
    grace=float(sys.argv[1]),
)
print("not reached")
