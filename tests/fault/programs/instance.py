"""One instance of many, whose runs write under their tokens to a log that all of them share.

Each line of the log is one write to a file that is only appended to: whoever reads it knows what came first. It can
halt itself at a point of a run, as a machine does that fails or pauses just then.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import tasker
from tasker import Context, Run, schedule
from tasker.ports import Store
from tests._support.opening import store_at

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
WRITE_EVERY = 0.02


class Log:
    """What all instances write to."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, what: str, run: Run | None = None, detail: str = "") -> None:
        facts: dict[str, Any] = {"at": time.monotonic(), "pid": os.getpid(), "what": what, "detail": detail}
        if run is not None:
            slot = (run.slot - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
            facts |= {"id": run.schedule_id, "slot": slot, "attempt": run.attempt}
            facts |= {"token": run.fencing_token, "owner": run.owner}
        os.write(self._file, f"{json.dumps(facts)}\n".encode())


class Points:
    """Where this instance halts, once: nowhere, or at the one that was named."""

    def __init__(self, log: Log, name: str | None, number: signal.Signals) -> None:
        self._log = log
        self._name = name
        self._number = number

    def reach(self, name: str) -> None:
        if name == self._name:
            self._name = None
            self._log.note("halts", detail=name)
            # To this thread: one of the others might get a signal to the process, and this one go on for a moment.
            signal.pthread_kill(threading.get_ident(), self._number)


class Halting:
    """A store with points before and after its operations that begin and end runs."""

    def __init__(self, store: Store, points: Points) -> None:
        self._store = store
        self._points = points

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._store, name)
        return partial(self._halting, name, operation) if name in ("claim", "finish") else operation

    def _halting(self, name: str, operation: Callable[..., Any], *arguments: Any) -> Any:
        self._points.reach(f"before {name}")
        answer = operation(*arguments)
        if name == "finish" or answer.grants:
            self._points.reach(f"after {name}")
        return answer


def go_by(file: Path) -> None:
    """Let the wall clock of this process be wrong by the seconds in a file, whatever these are at the time."""
    right = time.time
    time.time = lambda: right() + float(file.read_text())


def main(given: argparse.Namespace) -> None:
    if given.wrong_by is not None:
        go_by(given.wrong_by)
    log = Log(given.log)
    points = Points(log, given.halt, signal.Signals[given.by])

    def work(ctx: Context) -> None:
        run = Run.current()
        log.note("began", run)
        points.reach("begun")
        end = time.monotonic() + (given.first if run.attempt == 1 else given.takes)
        while not ctx.done:
            points.reach("checked")
            log.note("wrote", run)
            if time.monotonic() >= end:
                log.note("done", run)
                return
            ctx.wait(WRITE_EVERY)
        log.note("left", run, type(ctx.cause).__name__)
        ctx.raise_if_done()

    with closing(store_at(given.store, given.call_limit)) as store:
        scheduler = tasker.Scheduler(
            cast("Store", Halting(store, points)), name=given.name, lease=given.lease, history=10_000
        )
        every = (
            schedule.Interval(seconds=given.every, anchor=ANCHOR)
            if given.schedule is None
            else schedule.parse(given.schedule)
        )
        for id in given.ids:
            scheduler.add(id, every, work, misfire=given.misfire)
        log.note("ready")
        tasker.main(scheduler, grace=20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log")
    parser.add_argument("store")
    parser.add_argument("--ids", nargs="+", default=["job"])
    parser.add_argument("--name", default=f"instance {os.getpid()}")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two slots")
    parser.add_argument("--schedule", help="a schedule as a text, instead of that")
    parser.add_argument("--first", type=float, default=0.1, help="how long a first attempt takes")
    parser.add_argument("--takes", type=float, default=0.1, help="how long any other attempt takes")
    parser.add_argument("--misfire", default="run_once")
    parser.add_argument("--lease", type=float, default=2)
    parser.add_argument("--call-limit", type=float, default=0.6)
    parser.add_argument("--wrong-by", type=Path, help="a file that says by how many seconds its clock is wrong")
    parser.add_argument("--halt", help="the point at which it halts")
    parser.add_argument("--by", default="SIGKILL", help="the signal that halts it")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    main(parser.parse_args())
