"""A task that fails, sync or async, beside others that stop because of it; one of them only when someone says a line.

The argument names the task that fails; `quiet` as a second one leaves logging as it is.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading

import tasker
from tasker import Context

ready = threading.Barrier(3)


def plain_failure() -> None:
    ready.wait()
    raise LookupError("no such thing")


async def async_failure() -> None:
    await asyncio.to_thread(ready.wait)
    raise LookupError("no such thing")


def plain_sibling(ctx: Context) -> None:
    ready.wait()
    ctx.wait()
    sys.stdin.readline()
    print(f"sync stopped because of: {ctx.cause}")


async def async_sibling() -> None:
    try:
        await asyncio.to_thread(ready.wait)
        await asyncio.sleep(1000)
    finally:
        print("async stopped")


if "quiet" not in sys.argv:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
atexit.register(print, "exit")
failure = {"plain": plain_failure, "async": async_failure}[sys.argv[1]]
tasker.main(plain_sibling, tasker.sequence(failure, lambda: print("not reached")), async_sibling, grace=60)
print("not reached")
