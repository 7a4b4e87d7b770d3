"""Tasks beside a block of code, in the many places where a block can be."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable

import tasker
from tasker import Context, background, concurrence, current_context

WHERE, WHAT = sys.argv[1:]
BACKGROUND = Context.background()


def worker(ctx: Context) -> None:
    print("sync ready")
    ctx.wait()
    print("sync stopped")


async def async_worker() -> None:
    print("async ready")
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.01)
        print("async stopped")


def lasting(ctx: Context) -> None:
    ctx.wait()
    print("stopping slowly")
    BACKGROUND.wait(3600)


async def stuck() -> None:
    print("stuck ready")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("stuck ignores it")


async def failing() -> None:
    await asyncio.to_thread(sys.stdin.readline)
    raise LookupError("no such thing")


TASKS = {
    "well": background(worker, async_worker),
    "slow": background(worker, async_worker, lasting, grace=3600),
    "stuck": background(worker, async_worker, stuck, grace=0.2),
    "fails": background(worker, async_worker, failing),
}
tasks = TASKS[WHAT]


def block() -> None:
    with tasks as ctx:
        print("block ready")
        ctx.wait()
    print("block left")


async def async_block() -> None:
    async with tasks:
        print("block ready")
        await asyncio.sleep(3600)


def in_a_thread() -> None:
    stop = threading.Event()

    def work() -> None:
        with tasks:
            print("block ready")
            stop.wait()
        print("block left")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        BACKGROUND.wait()
    except KeyboardInterrupt:
        print("Ctrl-C heard")
        stop.set()
        thread.join()


async def a_loop_of_a_notebook() -> None:
    print("notebook ready")
    try:
        block()
    except RuntimeError as error:
        print(error)
    async with tasks as ctx:
        await asyncio.sleep(0.1)
    print(ctx.cause)


PLACES: dict[str, Callable[[], object]] = {
    "plain code": block,
    "a running loop": lambda: asyncio.run(async_block()),
    "a sync task": lambda: tasker.run(concurrence(block)),
    "a thread": in_a_thread,
    "main, sync": lambda: tasker.main(block),
    "main, async": lambda: tasker.main(async_block),
    "a notebook": lambda: asyncio.run(a_loop_of_a_notebook()),
}

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
try:
    PLACES[WHERE]()
finally:
    print("threads that hold the process:", [each.name for each in threading.enumerate() if not each.daemon])
    print("the current context is the background:", current_context() is BACKGROUND)
print("returned")
