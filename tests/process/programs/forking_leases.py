"""Forks while it holds a lock and runs a scheduler; the child uses the very same objects.

The arguments are the file of the store, and what is forked.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

import tasker
from tasker import Context, Run, Scheduler, schedule
from tasker.store import sqlite

path, what = sys.argv[1:]
BACKGROUND = Context.background()


def is_free(key: str) -> bool:
    factory = sqlite.LockerFactory(path)
    with factory.locker_for(key).try_lock(BACKGROUND) as locked:
        found = locked is not None
    factory.close()
    return found


def fork_in_a_lock() -> None:
    factory = sqlite.LockerFactory(path, ttl=2)
    with factory.locker_for("key").lock(BACKGROUND) as locked:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            print("parent: free" if is_free("key") else "parent: still held", flush=True)
            print(f"parent: {locked.cause}", flush=True)
    if not pid:
        # It has left the block of its parent.
        with factory.locker_for("other").lock(BACKGROUND) as locked:
            time.sleep(2.5)
            print("child: free" if is_free("other") else "child: still held", flush=True)
            print(f"child: {locked.cause}", flush=True)
        os._exit(0)


def fork_with_a_scheduler() -> None:
    tasker.run(tasker.ignore_error(tasker.with_timeout(6, tasker.concurrence(job, fork)), tasker.DeadlineExceeded))


def note() -> None:
    run = Run.current()
    print(f"ran {run.slot:%H:%M:%S} {run.owner} {os.getpid()}", flush=True)


def fork(ctx: Context) -> None:
    ctx.sleep(1.5)
    child = multiprocessing.get_context("fork").Process(target=run_in_child)
    child.start()
    child.join()
    print("child ended", flush=True)


def run_in_child() -> None:
    tasker.run(tasker.ignore_error(tasker.with_timeout(3, job), tasker.DeadlineExceeded), BACKGROUND)


scheduler = Scheduler(sqlite.Store(path))
job = scheduler.with_schedule("job", schedule.Cron("* * * * * *", tz="UTC"), note)
globals()[what]()
