"""An instance with one long run: until someone says a line, or its context ends.

It prints what becomes of each run. With --fenced, it writes under the run's token to a table that refuses lower ones.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import psycopg

import tasker
from tasker import Context, Run, schedule
from tests._support.opening import store_at

_WRITE = """WITH ours AS (UPDATE fenced SET token = %(token)s WHERE token <= %(token)s RETURNING token)
INSERT INTO written (token, pid) SELECT token, %(pid)s FROM ours"""


def say(text: str) -> None:
    # One call, so that lines of several threads do not mix.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(given: argparse.Namespace) -> None:
    done = threading.Event()
    connection = psycopg.connect(given.store, autocommit=True) if given.fenced else None

    def listen() -> None:
        # Not `sys.stdin`, whose lock a thread that still reads at the end would hold.
        os.read(0, 1)
        done.set()

    def write(run: Run) -> None:
        if connection is not None:
            values = {"token": run.fencing_token, "pid": os.getpid()}
            say("wrote." if connection.execute(_WRITE, values).rowcount else "refused.")

    def work(ctx: Context) -> None:
        run = Run.current()
        slot = (run.slot - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        say(f"began attempt {run.attempt} at slot {slot}.")
        while not ctx.wait(0.05):
            write(run)
            if done.is_set():
                say("done.")
                return
        say(f"ended by {type(ctx.cause).__name__}.")
        if not given.returns:
            ctx.raise_if_done()

    with ExitStack() as stack:
        store = stack.enter_context(closing(store_at(given.store, given.call_limit)))
        if connection is not None:
            stack.callback(connection.close)
        scheduler = tasker.Scheduler(store, name=f"instance {os.getpid()}", lease=given.lease)
        anchor = datetime(2026, 1, 1, tzinfo=UTC) if given.schedule == "anchored" else None
        scheduler.add("long", schedule.Interval(seconds=1, anchor=anchor), work)
        # Registered together with the other: once this has run, the instance knows of the run of another one.
        scheduler.add(f"greeting of {os.getpid()}", schedule.Interval(days=1), lambda: say("up."))
        threading.Thread(target=listen, daemon=True).start()
        tasker.main(scheduler, grace=20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--schedule", choices=["anchored", "from the last run"], default="anchored")
    parser.add_argument("--fenced", action="store_true")
    parser.add_argument("--returns", action="store_true", help="return normally when the context ends")
    parser.add_argument("--lease", type=float, default=15)
    parser.add_argument("--call-limit", type=float, default=3)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    main(parser.parse_args())
