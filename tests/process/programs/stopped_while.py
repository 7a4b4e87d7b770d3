"""A program that gets a signal while it waits for something, as the arguments say; under `main`.

After what it waits for come the grace, and for a lock the kind of its store and where that is.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading

import tasker
from tasker import Context

kind, where = sys.argv[3:4] or ["memory"], sys.argv[4:]
factory = importlib.import_module(f"tasker.store.{kind[0]}").LockerFactory(*where)
stopped = threading.Event()


def fails() -> None:
    print("ready")
    raise LookupError


def holds(ctx: Context) -> None:
    with factory.locker_for("key").lock(ctx):
        print("holds")
        ctx.wait()


def wants(ctx: Context) -> None:
    while True:
        with factory.locker_for("key").try_lock(ctx) as locked:
            if locked is None:
                break
    print("ready")
    with factory.locker_for("key").lock(ctx):
        print("not reached")


def serves() -> None:
    print("ready")
    stopped.wait()


def stops() -> None:
    print("stop begins")
    sys.stdin.readline()
    print("stopped")
    stopped.set()


match sys.argv[1]:
    case "back-off":
        tasks = [tasker.with_retry(fails, attempts=2, backoff=tasker.Backoff(initial=1000, maximum=1000))]
    case "end of a lock":
        tasks = [tasker.to_task(holds)]
    case "lock":
        tasks = [tasker.to_task(holds), tasker.to_task(wants)]
    case _:
        tasks = [tasker.sequence(tasker.with_shutdown(serves, stops), serves)]
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(*tasks, grace=float(sys.argv[2]))
print("returned")
