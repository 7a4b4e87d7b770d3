"""`main` in a program that has a wake-up descriptor of its own."""

from __future__ import annotations

import os
import signal

import tasker
from tasker import Context


def work(ctx: Context) -> None:
    print("ready")
    ctx.wait()
    print("stopped")


reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
tasker.main(work, grace=30)
print("the descriptor is still the program's" if signal.set_wakeup_fd(-1) == writer else "the descriptor was lost")
