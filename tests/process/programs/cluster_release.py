"""An instance of the older or of the newer release of one application, whose schedules differ."""

from __future__ import annotations

import argparse
import logging
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta

import tasker
from tasker import Context, Run, schedule
from tests._support.cluster_journal import open_journal
from tests._support.opening import store_at

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULES = {
    # By the second, which the newer release has moved by half a second.
    "older": {"moved": ANCHOR, "dropped": ANCHOR, "theirs": ANCHOR},
    "newer": {"moved": ANCHOR + timedelta(seconds=0.5), "new": ANCHOR, "theirs": ANCHOR},
}


def main(given: argparse.Namespace) -> None:
    with (
        closing(open_journal(given.journal)) as journal,
        closing(store_at(given.store, 1)) as store,
    ):

        def work(ctx: Context) -> None:
            journal.begin(Run.current())
            ctx.sleep(0.05)
            journal.end(Run.current())

        scheduler = tasker.Scheduler(store, name=f"{given.release} {os.getpid()}", version=given.release, lease=3)
        for id, anchor in SCHEDULES[given.release].items():
            scheduler.add(id, schedule.Interval(seconds=1, anchor=anchor), work)
        print("ready", flush=True)
        tasker.main(scheduler, grace=20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("journal")
    parser.add_argument("release", choices=list(SCHEDULES))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    main(parser.parse_args())
