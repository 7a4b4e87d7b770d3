"""Calls `main` where it cannot run, and prints what it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import tasker


def not_reached() -> None:
    print("not reached")


def report(call: Callable[[], None]) -> None:
    try:
        call()
    except RuntimeError as error:
        print(error)


async def on_a_loop() -> None:
    report(lambda: tasker.main(not_reached))
    report(lambda: tasker.run(not_reached))


def in_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=report, args=[call])
    thread.start()
    thread.join()


in_thread(lambda: tasker.main(not_reached))
in_thread(lambda: tasker.run(tasker.with_signal_notify(not_reached)))
in_thread(lambda: tasker.main(lambda: print("without signals it runs"), signals=()))
asyncio.run(on_a_loop())
