"""A service whose loop is blocked when a line comes in, and then waits; under `main`."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

import tasker


async def blocking() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(2):
        print("ready")
        await loop.run_in_executor(None, sys.stdin.readline)
        compute()
        await asyncio.sleep(1)
    await asyncio.sleep(1000)


def compute() -> None:
    print(f"blocks at {time.time()}")
    time.sleep(1.5)


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: at %(created)f %(message)s")
tasker.main(blocking)
