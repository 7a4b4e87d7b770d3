"""One instance of the application that is put under faults: a scheduler whose tasks write to a protected resource.

It writes down all that it does, and it does what it is told on its standard input: `stop at <point>`, `block <seconds>`
for its event loop, `exhaust <seconds>` for the pool that it shares with its store.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import tasker
from tasker import Context, Run, schedule
from tasker.ports import Store
from tests.fault.harness import resource
from tests.fault.harness.log import Log, now
from tests.fault.harness.mutations import mutated
from tests.fault.harness.observed import Failpoints, Observed
from tests.fault.harness.schedules import SCHEDULES, Job
from tests.fault.harness.stores import POOL_SIZE, pooled_store_of, store_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PULSE = 0.05
STALL = 0.1
# Who is refused has lost its lease, and hears so within that.
_WILL_BE_TOLD = 10


class Instance:
    """What its tasks have in common."""

    def __init__(self, log: Log, actor: str, port: int) -> None:
        self.failpoints = Failpoints()
        self.log = log
        self._actor = actor
        self._port = port
        self._has_ended = threading.Event()

    def task_of(self, job: Job) -> tasker.TaskLike:
        """Return what a schedule runs."""

        def work(ctx: Context) -> None:
            with _Noted(self, job, ctx) as noted:
                for _ in range(job.steps):
                    if not job.is_stubborn:
                        ctx.raise_if_done()
                    if not self._step(job, noted.token) and not job.is_stubborn:
                        ctx.sleep(_WILL_BE_TOLD)
                    if job.is_stubborn:
                        threading.Event().wait(job.pause)  # `time.sleep` fails under libfaketime
                    else:
                        ctx.wait(job.pause)
                noted.is_done = True

        async def work_async(ctx: Context) -> None:
            with _Noted(self, job, ctx) as noted:
                for _ in range(job.steps):
                    ctx.raise_if_done()
                    was_accepted = self._step(job, noted.token)
                    await asyncio.sleep(job.pause if was_accepted else _WILL_BE_TOLD)
                noted.is_done = True

        return work_async if job.is_async else work

    def _step(self, job: Job, token: int) -> bool:
        """Write, and tell whether the write was accepted."""
        self.failpoints.reach("between check and write")
        self.log.write("step", job.id, token)
        return resource.write(self._port, self._actor, job.id, token)

    def pulse(self) -> None:
        """Write down when this process did not run although it wanted to."""
        then = now()
        while not self._has_ended.wait(PULSE):
            woke = now()
            if woke - then > (PULSE + STALL) * 1_000_000:
                self.log.write("stall", since=then)
            then = woke  # not the time now: a stall since then belongs to the next look


class _Noted:
    """Writes down that a run starts, that it is told of its end, and that it returns."""

    def __init__(self, instance: Instance, job: Job, ctx: Context) -> None:
        self.is_done = False
        run = Run.current()
        self.token = run.fencing_token
        self._instance = instance
        self._job = job
        self._ctx = ctx
        self._slot = (run.slot - EPOCH) // timedelta(microseconds=1)
        self._attempt = run.attempt
        self._is_manual = run.trigger == "manual"

    def __enter__(self) -> Self:
        self._instance.failpoints.reach("before start")
        about = {"slot": self._slot, "attempt": self._attempt, "manual": self._is_manual}
        self._instance.log.write("started", self._job.id, self.token, is_stubborn=self._job.is_stubborn, **about)
        self._forget = self._ctx.on_done(self._told)
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._instance.failpoints.reach("after task")
        self._instance.log.write("returned", self._job.id, self.token, how="done" if self.is_done else "ended")

    def _told(self) -> None:
        self._instance.log.write("told", self._job.id, self.token, cause=type(self._ctx.cause).__name__)


class Orders:
    """What comes on the standard input, done in a thread of its own."""

    def __init__(self, instance: Instance, pool: Any) -> None:
        self._instance = instance
        self._pool = pool
        self._loop: asyncio.AbstractEventLoop | None = None

    async def keep_loop(self, ctx: Context) -> None:
        """Know the loop, to block it, and say that signals are heard now; a task for `tasker.main`."""
        self._loop = asyncio.get_running_loop()
        self._instance.log.write("up", pid=os.getpid())
        print("up.", flush=True)
        while not await ctx.wait_async(3600):
            pass

    def obey(self) -> None:
        """Do what is asked, line by line, until nobody asks any more."""
        with os.fdopen(os.dup(0), encoding="utf-8") as orders:
            for order in orders:
                name, _, argument = order.strip().partition(": ")
                self._by_name[name](self, argument)
                self._instance.log.write("obeyed", order=order.strip())

    def _stop_at(self, point: str) -> None:
        self._instance.failpoints.armed = point

    def _block(self, seconds: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(_busy_for, float(seconds))

    def _exhaust(self, seconds: str) -> None:
        for _ in range(POOL_SIZE):
            threading.Thread(target=self._hold, args=(float(seconds),), daemon=True).start()

    def _hold(self, seconds: float) -> None:
        with self._pool.connection(timeout=30):
            threading.Event().wait(seconds)

    _by_name: ClassVar[dict[str, Callable[[Orders, str], None]]] = {
        "stop at": _stop_at,
        "block": _block,
        "exhaust": _exhaust,
    }


def _busy_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        threading.Event().wait(0.05)  # blocks the loop, not the interpreter


def main(given: argparse.Namespace) -> None:
    with ExitStack() as stack:
        log = Log(given.log, given.actor)  # the end of the process closes it: threads write to it until then
        instance = Instance(log, given.actor, given.resource)
        if given.pooled and given.store.startswith("postgresql://"):
            store, pool = pooled_store_of(given.store, given.call_limit, stack)
        else:
            store, pool = store_of(given.store, given.call_limit), None
        stack.callback(store.close)
        observed = Observed(mutated(given.mutation, store, given.store), log, instance.failpoints)
        scheduler = tasker.Scheduler(
            cast("Store", observed), name=given.actor, lease=given.lease, max_running=3, history=100_000
        )
        for job in (replace(each, steps=each.steps * given.longer) for each in SCHEDULES):
            every = schedule.Interval(seconds=job.every, anchor=EPOCH)
            task = instance.task_of(job)
            if job.runs_all:
                scheduler.add(job.id, every, task, misfire="run_all", overlap="queue")
            else:
                scheduler.add(job.id, every, task)
        orders = Orders(instance, pool)
        for each in (orders.obey, instance.pulse):
            threading.Thread(target=each, daemon=True).start()
        tasker.main(scheduler, orders.keep_loop, grace=given.grace)
        log.write("bye")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="its URL")
    parser.add_argument("log", type=Path)
    parser.add_argument("actor", help="what the log calls it")
    parser.add_argument("--resource", type=int, help="the port of the resource")
    parser.add_argument("--lease", type=float, default=1.5)
    parser.add_argument("--call-limit", type=float, default=0.4)
    parser.add_argument("--grace", type=float, default=20)
    parser.add_argument("--pooled", action="store_true", help="let the store borrow from a pool")
    parser.add_argument("--longer", type=int, default=1, help="how many times longer tasks take")
    parser.add_argument("--mutation", default="", help="break a promise on purpose")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    main(parser.parse_args())
