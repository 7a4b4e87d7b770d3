"""What an application asks of a lifecycle, one case an argument, under `main`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import tasker
from tasker import Backoff, Context, schedule

is_to_stop = asyncio.Event()


def waits(ctx: Context) -> None:
    print("other ready")
    ctx.wait()
    print("other stopped")


def fails_first(ctx: Context) -> None:
    sys.stdin.readline()
    raise LookupError("the first")


async def fails_when_it_stops(ctx: Context) -> None:
    try:
        print("second ready")
        await asyncio.sleep(1000)
    finally:
        raise OSError("the second")


class OfItsOwn(BaseException):
    """No `Exception`: most code that handles errors lets it pass."""


def raises_no_exception() -> None:
    raise OfItsOwn("not an Exception")


@asynccontextmanager
async def pool() -> AsyncIterator[None]:
    print("pool opened")
    try:
        yield
    finally:
        print("pool closed")


async def serves_with_a_pool(ctx: Context) -> None:
    async with pool():
        await tasker.with_shutdown(serves, stops_serving)(ctx)


async def serves() -> None:
    print("serving")
    await is_to_stop.wait()


async def stops_serving() -> None:
    print("server stops")
    is_to_stop.set()


@tasker.with_grace(1000)
async def works_in_batches(ctx: Context) -> None:
    print("batch begins")
    await asyncio.to_thread(sys.stdin.readline)
    print("batch done")
    assert ctx.done


def falls_over() -> None:
    print("started")
    raise ConnectionError("gone")


async def stops_a_part(ctx: Context) -> None:
    with ctx.with_cancel() as part:
        running = asyncio.ensure_future(tasker.concurrence(works_in_the_part, polls_in_the_part)(part))
        await asyncio.to_thread(sys.stdin.readline)
        part.cancel()
        try:
            await running
        except tasker.Cancelled:
            print("part stopped")
    await asyncio.sleep(1000)


def works_in_the_part(ctx: Context) -> None:
    print("part ready")
    ctx.wait()


async def polls_in_the_part() -> None:
    print("part ready")
    await asyncio.sleep(1000)


def serves_as_configured(ctx: Context) -> None:
    print("configuration read")
    ctx.wait()
    print("no longer serving")


tasks: list[tasker.TaskLike]
match sys.argv[1]:
    case "two failures":
        tasks = [fails_first, fails_when_it_stops]
    case "no exception":
        tasks = [raises_no_exception]
    case "nested":
        tasks = [serves_with_a_pool]
    case "grace":
        tasks = [works_in_batches]
    case "restart":
        tasks = [tasker.with_retry(falls_over, attempts=3, within=1000, backoff=Backoff(initial=0.01, maximum=0.01))]
    case "part":
        tasks = [stops_a_part]
    case _:
        # Between two runs it reads the configuration anyway.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        again = tasker.with_signal_notify(serves_as_configured, signal.SIGHUP)
        tasks = [tasker.with_repeat(schedule.Interval(seconds=0.001), again)]
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(waits, *tasks, grace=30)
print("returned")
