"""A program whose `main` ends well, and whose exit something else holds; the arguments are what, and the grace."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import tasker
from tasker import Context


def until_the_end(ctx: Context) -> None:
    print("ready")
    ctx.wait()


def failing() -> None:
    print("ready")
    raise LookupError


def hold() -> None:
    time.sleep(1000)


def hold_as_long_as_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()


def go_on() -> None:
    print("went on")
    # Longer than the grace, before and after the main thread ends.
    time.sleep(0.3)
    threading.Thread(target=after_the_main_thread, name="after").start()


def after_the_main_thread() -> None:
    threading.main_thread().join()
    time.sleep(0.2)
    print("went on after the exit of the main thread")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    task: tasker.TaskLike = until_the_end
    match sys.argv[1]:
        case "thread":
            threading.Thread(target=hold, name="held").start()
        case "thread, after a failure":
            threading.Thread(target=hold, name="held").start()
            task = failing
        case "executor":
            ThreadPoolExecutor().submit(hold)
        case "atexit":
            atexit.register(hold)
        case "process":
            multiprocessing.get_context("spawn").Process(target=hold_as_long_as_the_parent).start()
    try:
        tasker.main(task, grace=float(sys.argv[2]))
    finally:
        print("main is over")
    if sys.argv[1] == "nothing, and goes on":
        go_on()
