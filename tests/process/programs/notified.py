"""`run` with and without `with_signal_notify`, in the way that the argument says."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time

import tasker
from tasker import Context


def plain() -> None:
    try:
        print("plain ready")
        time.sleep(1000)
    finally:
        print("plain left")


def watching(ctx: Context) -> None:
    print("watching ready")
    ctx.wait()
    print("watching left")


def slow(ctx: Context) -> None:
    print("slow ready")
    ctx.wait()
    sys.stdin.readline()
    print("slow left")


def failing(ctx: Context) -> None:
    print("failing ready")
    ctx.wait()
    raise LookupError("no such thing")


async def awaited() -> None:
    try:
        print("awaited ready")
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("awaited left")


logging.basicConfig(level=logging.INFO)
match sys.argv[1]:
    case "notify":
        tasker.run(tasker.with_signal_notify(tasker.concurrence(watching, slow, awaited)))
    case "notify and fail":
        tasker.run(tasker.with_signal_notify(tasker.concurrence(watching, failing)))
    case "notify of SIGUSR1":
        tasker.run(tasker.with_signal_notify(awaited, signal.SIGUSR1))
    case "notify inside of main":
        tasker.main(tasker.with_signal_notify(watching, signal.SIGUSR1), awaited, grace=30)
    case "async":
        tasker.run(awaited)
    case "sync":
        tasker.run(plain)
    case "both":
        tasker.run(tasker.concurrence(watching, awaited))
print("returned", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
