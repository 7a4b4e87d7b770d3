"""A task that does not stop, of the kind that the argument says, under `main` with a long grace."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import sys
import time

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
