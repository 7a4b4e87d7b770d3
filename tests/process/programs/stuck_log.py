"""A task that never stops, and logging that blocks as the first argument says; the second is the grace of `main`."""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import sys
import threading
import time

import tasker
from tasker import Context


class Blocking(logging.Handler):
    """Blocks for ever."""

    def emit(self, record: logging.LogRecord) -> None:
        threading.Event().wait()


def stuck() -> None:
    print("ready")
    time.sleep(1000)


def stuck_with_the_lock() -> None:
    logging.getLogger().handlers[0].acquire()
    stuck()


def watch(ctx: Context) -> None:
    print("watching")
    ctx.wait()
    print("context ended")


def fill_the_pipe() -> None:
    os.set_blocking(2, False)
    for size in (1000, 1):
        try:
            while True:
                os.write(2, b"x" * size)
        except BlockingIOError:
            pass
    os.set_blocking(2, True)


task = stuck
logging.basicConfig(level=logging.INFO)
match sys.argv[1]:
    case "full pipe":
        fill_the_pipe()
    case "handler":
        logging.basicConfig(level=logging.INFO, handlers=[Blocking()], force=True)
    case "handler of the report":
        logging.basicConfig(level=logging.CRITICAL, handlers=[Blocking()], force=True)
    case "lock of the handler":
        task = stuck_with_the_lock
    case "buffer":
        buffer = logging.handlers.MemoryHandler(1000, flushLevel=logging.CRITICAL + 1, target=logging.StreamHandler())
        logging.getLogger("tasker").addHandler(buffer)
        logging.getLogger("tasker").setLevel(logging.INFO)
        logging.getLogger("tasker").propagate = False
    case "no stream":
        sys.stderr = None  # as without a console
        logging.basicConfig(level=logging.INFO, stream=io.StringIO(), force=True)
tasker.main(task, watch, grace=float(sys.argv[2]))
