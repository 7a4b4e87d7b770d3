"""A service under systemd, or what stands in for it: it starts slowly, turns, and stops."""

from __future__ import annotations

import asyncio
import sys
import time

import tasker
from tasker import Context


def migrate() -> None:
    print("migrating")
    sys.stdin.readline()


async def serve() -> None:
    print("serving")
    if "stop" in sys.argv:
        await asyncio.sleep(1000)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    print("blocks")
    time.sleep(1000)  # noqa: ASYNC251 - the loop is blocked on purpose


def stop_slowly(ctx: Context) -> None:
    ctx.wait()
    print("stopping")
    sys.stdin.readline()


tasks = [tasker.sequence(migrate, serve)]
if "stop" in sys.argv:
    tasks.append(tasker.to_task(stop_slowly))
tasker.main(*tasks)
