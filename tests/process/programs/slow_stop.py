"""Tasks that stop only when someone says a line, under `main`."""

from __future__ import annotations

import logging
import sys

import tasker
from tasker import Context


def work(ctx: Context) -> None:
    print("ready")
    ctx.wait()
    print("stopping")
    print(f"heard {sys.stdin.readline().strip()}")


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(work, grace=60)
print("returned")
