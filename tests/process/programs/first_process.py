"""A service that says which process it is, under `main`; as arguments, whether it gets stuck, and the grace."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import tasker
from tasker import Context


def work(ctx: Context) -> None:
    print(f"process {os.getpid()} works")
    ctx.wait()
    if is_stuck:
        time.sleep(1000)
    print("sync stopped")


async def poll() -> None:
    try:
        print("polling")
        await asyncio.sleep(1000)
    finally:
        print("async stopped")


is_stuck = "stuck" in sys.argv
tasker.main(work, poll, grace=float(sys.argv[2]) if len(sys.argv) > 2 else 1)
print("returned")
