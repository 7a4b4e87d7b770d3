"""A service that runs a command of the kind that the first argument says; the second is the grace of `main`."""

from __future__ import annotations

import logging
import sys
import time

import tasker

STUBBORN = "trap '' TERM; (while :; do sleep 0.05; done) & echo pid $!; echo pid $$; echo ready; wait"


def stuck() -> None:
    time.sleep(1000)


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
match sys.argv[1]:
    case "stubborn":
        tasks = [tasker.command("sh", "-c", STUBBORN, grace=1000)]
    case "beside a stuck thread":
        tasks = [tasker.command("sh", "-c", STUBBORN, grace=1000), tasker.to_task(stuck)]
    case "that dies with it":
        tasks = [tasker.command("setpriv", "--pdeathsig", "TERM", "sh", "-c", "echo pid $$; echo ready; sleep 1000")]
    case _:
        tasks = [tasker.command("sh", "-c", "echo no such table; exit 7", "hunter2", env={"PASSWORD": "hunter2"})]
tasker.main(*tasks, grace=float(sys.argv[2]))
