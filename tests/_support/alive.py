"""Whether a process still lives: a zombie does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0


def is_alive(pid: int) -> bool:
    """Say whether a process runs; needs Linux's `/proc`."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_gone(pid: int) -> bool:
    """Wait until a process that was killed has gone; say no if it does not."""
    end = time.monotonic() + PATIENCE
    while is_alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


async def comes_true(condition: Callable[[], object]) -> None:
    """Wait until something that a process is about to do is done."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, condition
        await asyncio.sleep(0.01)
