"""A program that is stopped while it starts, at the moment that the argument says."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time

import tasker
from tasker import Context
from tasker.combinators import _main
from tasker.combinators._budget import Budget
from tasker.combinators._lifecycle import Lifecycle

ended = threading.Event()
begin_to_stop = _main._begin_to_stop


def note_end(budget: Budget, lifecycle: Lifecycle) -> None:
    """Know when the contexts have ended: the signal is heard, and logged, a moment before."""
    begin_to_stop(budget, lifecycle)
    ended.set()


def loop_of_a_late_start() -> asyncio.AbstractEventLoop:
    os.kill(os.getpid(), signal.SIGTERM)
    ended.wait()
    return asyncio.new_event_loop()


def loop_that_never_comes() -> asyncio.AbstractEventLoop:
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        time.sleep(1)


def migrate(ctx: Context) -> None:
    print("migrating")
    ctx.wait()
    print("migration stopped")


def migrate_to_the_end() -> None:
    print("migrating")
    sys.stdin.readline()
    print("migration done")


async def warm_up() -> None:
    print("not reached")


def serve() -> None:
    print("not reached")


loop_factory = None
grace = 60.0
match sys.argv[1]:
    case "before the loop runs":
        loop_factory = loop_of_a_late_start
        tasks = [tasker.to_task(serve), tasker.to_task(warm_up), tasker.with_shutdown(serve, serve)]
    case "before the loop, which never comes":
        loop_factory = loop_that_never_comes
        grace = 0.5
        tasks = [tasker.to_task(serve)]
    case "in a step that notices":
        tasks = [tasker.sequence(migrate, tasker.concurrence(warm_up, serve), serve)]
    case _:
        tasks = [tasker.sequence(migrate_to_the_end, tasker.concurrence(warm_up, serve), serve)]
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
_main._begin_to_stop = note_end
tasker.main(*tasks, grace=grace, loop_factory=loop_factory)
print("returned")
