"""Forks while its clock, its worker threads and its signal handlers are in use; the child uses tasker too.

The arguments say where the fork happens (in the main thread or in a worker thread), and what the child does.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import select
import signal
import socket
import sys
import threading
import time
from multiprocessing.process import BaseProcess

import tasker
from tasker import Context, DeadlineExceeded

where, what = sys.argv[1:]


def plain() -> None:
    print("child: sync")


async def awaited() -> None:
    await asyncio.sleep(0.01)
    print("child: async")


def until_the_end(ctx: Context) -> None:
    print("child: ready")
    ctx.wait()
    print(f"child: {ctx.cause}")


def run_in_child() -> None:
    tasker.run(tasker.concurrence(*[plain] * 10, awaited))
    try:
        tasker.run(tasker.with_timeout(0.05, tasker.concurrence(until_the_end, awaited)))
    except DeadlineExceeded:
        print("child: deadline")


def main_in_child() -> None:
    tasker.main(until_the_end, grace=30, signals=[signal.SIGTERM, signal.SIGUSR2])
    print("child: returned")


def sleep_in_child() -> None:
    print("child: ready")
    try:
        time.sleep(1000)
    finally:
        print("child: not reached")


def files_in_child() -> None:
    # The descriptors on which the parent hears of signals are closed here; others have their numbers now.
    ends = [end for pair in [socket.socketpair() for _ in range(20)] for end in pair]
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.raise_signal(signal.SIGTERM)
    touched, _, _ = select.select(ends, [], [], 0)
    print("child: files touched" if touched else "child: files untouched")


def start_child() -> BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=globals()[f"{what}_in_child"])
    child.start()
    print(f"child is {child.pid}.")
    return child


async def fork_in_main_thread(ctx: Context) -> None:
    child = start_child()
    await asyncio.to_thread(wait_for_child, child)


def fork_in_worker_thread(ctx: Context) -> None:
    child = start_child()
    wait_for_child(child)


def wait_for_child(child: BaseProcess) -> None:
    child.join()
    print(f"child ended with {child.exitcode}")
    done.set()


def use_the_clock() -> None:
    with tasker.current_context().with_timeout(0.01) as soon:
        soon.wait()


def stay(ctx: Context) -> None:
    done.wait()
    print("parent: still works")
    ctx.wait()


done = threading.Event()
fork = fork_in_main_thread if where == "main" else fork_in_worker_thread
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(stay, tasker.sequence(use_the_clock, fork), grace=30)
print("parent: returned")
