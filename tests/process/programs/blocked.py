"""A task that does not stop, of the kind that the argument says, under `main` with a long grace."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import logging
import operator
import re
import signal
import sys
import time
from collections import deque
from functools import partial

import tasker


async def loop_in_sleep() -> None:
    print("ready")
    time.sleep(1000)  # noqa: ASYNC251 - the loop is blocked on purpose


async def loop_in_c_code() -> None:
    print("ready")
    # It releases the GIL and never looks for signals: no Python handler runs.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)


async def loop_in_regex() -> None:
    print("ready")
    # It holds the GIL, except while it lets Python handlers run.
    re.match("(a+)+$", "a" * 50 + "b")


async def loop_in_greedy_c_code() -> None:
    print("ready")
    # It holds the GIL all the time, from before the first signal until after the second, and lets no handler run.
    c = ctypes.PyDLL(None)
    send = partial(getattr(c, "raise"), signal.SIGTERM)
    deque(map(operator.call, [send, partial(c.usleep, 200_000), send]), maxlen=0)
    print("C code has returned")
    await swallowing()


async def loop_in_python() -> None:
    print("ready")
    while True:
        pass


async def swallowing() -> None:
    print("ready")
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass


def plain() -> None:
    print("ready")
    time.sleep(1000)


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasker.main(globals()[sys.argv[1]], grace=1000)
