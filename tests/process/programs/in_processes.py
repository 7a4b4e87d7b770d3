"""What runs in processes of their own: functions that tests name, and a program that runs one under `main`."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path

import tasker
from tasker import Context, in_process


def note(text: str) -> None:
    """Append to the file that the test names: it is the test's only view of the process."""
    path = os.environ.get("NOTES")
    if path is None:
        print(text)
        return
    with Path(path).open("a") as file:
        file.write(f"{text}\n")


def succeeds() -> str:
    note(f"pid {os.getpid()}")
    return "dropped"


def fails() -> None:
    raise LookupError("no such thing")


def adds(first: int, second: int) -> None:
    note(str(first + second))


def crashes() -> None:
    ctypes.string_at(0)


def leaves() -> None:
    os._exit(7)


def exits() -> None:
    sys.exit(3)


def told(ctx: Context) -> None:
    note("ready")
    ctx.wait()
    note(f"told: {ctx.cause}")


async def awaiting() -> None:
    try:
        note("ready")
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        note("canceled")


def sleeping() -> None:
    try:
        note("ready")
        time.sleep(1000)
    finally:
        note("interrupted")


def in_python() -> None:
    note(f"pid {os.getpid()}")
    note("ready")
    while True:
        pass


def in_c() -> None:
    note(f"pid {os.getpid()}")
    path = os.environ.get("NOTES")
    output = sys.stdout.fileno() if path is None else os.open(path, os.O_WRONLY | os.O_APPEND)
    sys.stdout.flush()
    # In C when it says so: in between, it could be interrupted as any function in Python.
    sum(chain(map(os.write, [output], [b"ready\n"]), range(10**15)))


def with_a_child() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    note(f"pid {child.pid}")
    note("ready")
    child.wait()


def terminated(ctx: Context) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    note("still here")


def with_a_thread() -> None:
    threading.Thread(target=time.sleep, args=[1000]).start()
    note("ready")


class Callme:
    def __call__(self) -> None:
        note("called")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    tasker.main(in_process(globals()[sys.argv[1]], grace=1000), grace=float(sys.argv[2]))
    print("returned")
