"""Tasks that end by themselves, under `main`."""

from __future__ import annotations

import atexit
import threading

import tasker

has_ended = threading.Event()


def plain() -> None:
    has_ended.wait()
    print("sync")


async def awaited() -> None:
    print("async")
    has_ended.set()


atexit.register(print, "exit")
tasker.main(plain, awaited, grace=30)
print("returned")
