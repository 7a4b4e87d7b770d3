"""A task that calls `sys.exit` beside others; its arguments are the kind of the task, and what it exits with."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import tasker
from tasker import Context

ready = threading.Barrier(3)
kind, text = sys.argv[1:]
code = int(text) if text.isdigit() else text


def plain() -> None:
    ready.wait()
    sys.exit(code)


async def awaited() -> None:
    await asyncio.to_thread(ready.wait)
    sys.exit(code)


def plain_sibling(ctx: Context) -> None:
    ready.wait()
    ctx.wait()
    print("sync stopped")


async def async_sibling() -> None:
    try:
        await asyncio.to_thread(ready.wait)
        await asyncio.sleep(1000)
    finally:
        print("async stopped")


logging.basicConfig(level=logging.INFO)
tasker.main(plain_sibling, {"plain": plain, "async": awaited}[kind], async_sibling, grace=30)
print("not reached")
