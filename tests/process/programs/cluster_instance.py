"""One instance of many: schedules that are due every second, whose jobs write down what they do."""

from __future__ import annotations

import argparse
import logging
import os
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import tasker
from tasker import Context, Run, schedule
from tasker.ports import Store
from tests._support.cluster_journal import open_journal
from tests._support.opening import store_at

NAME = f"instance {os.getpid()}"


def store_of(given: argparse.Namespace, stack: ExitStack) -> Store:
    if not given.pooled:
        name = f"?application_name={quote(NAME)}" if given.store.startswith("postgresql:") else ""
        return store_at(f"{given.store}{name}", given.call_limit)
    from psycopg_pool import ConnectionPool

    from tasker.store import postgresql

    pool: ConnectionPool[Any] = ConnectionPool(
        given.store, min_size=1, max_size=2, open=True, kwargs={"application_name": NAME}
    )
    stack.enter_context(pool)
    return postgresql.Store(pool, call_limit=given.call_limit)


def main(given: argparse.Namespace) -> None:
    with ExitStack() as stack:
        journal = stack.enter_context(closing(open_journal(given.journal)))
        store = stack.enter_context(closing(store_of(given, stack)))

        def work(seconds: float, ctx: Context) -> None:
            run = Run.current()
            journal.begin(run)
            ctx.sleep(seconds)
            journal.end(run)

        scheduler = tasker.Scheduler(store, name=NAME, lease=given.lease, max_running=given.most, history=10_000)
        every_second = schedule.Interval(seconds=1, anchor=datetime(2026, 1, 1, tzinfo=UTC))
        for number in range(given.schedules):
            kind = "slow" if number % 5 == 0 else "quick"
            seconds = 0.66 if kind == "slow" else 0.05
            task = partial(work, seconds)
            if number % 2:
                scheduler.add(f"{kind} run_all {number:03}", every_second, task, misfire="run_all", overlap="queue")
            else:
                scheduler.add(f"{kind} run_once {number:03}", every_second, task)
        print("ready", flush=True)
        tasker.main(scheduler, grace=20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("journal")
    parser.add_argument("--pooled", action="store_true", help="borrow connections from a pool of two")
    parser.add_argument("--schedules", type=int, default=1)
    parser.add_argument("--most", type=int, default=64, help="how many runs at once")
    parser.add_argument("--lease", type=float, default=3)
    parser.add_argument("--call-limit", type=float, default=1)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    main(parser.parse_args())
