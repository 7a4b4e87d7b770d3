"""An event loop in a thread of its own, for the contestants that need one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

Program = Callable[[Callable[[], None], asyncio.Event], Coroutine[Any, Any, None]]
"""Calls its first argument when everything is ready, and returns soon after its second was set."""


@contextmanager
def loop_in_thread(program: Program) -> Iterator[None]:
    """Run a program on a loop in a thread, from when it is ready until the end of the block."""
    ready = threading.Event()
    over = asyncio.Event()
    loop = asyncio.new_event_loop()

    failures: list[BaseException] = []

    def run() -> None:
        try:
            loop.run_until_complete(program(ready.set, over))
        except BaseException as failure:  # noqa: BLE001 - raised below, in the thread that measures
            failures.append(failure)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(over.set)
        thread.join(30)
        for failure in failures:
            raise failure
