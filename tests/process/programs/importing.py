"""Imports tasker, and prints what that has changed."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path


def handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def descriptors() -> list[str]:
    folder = Path("/proc/self/fd")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


before = handlers(), descriptors(), threading.active_count()

import tasker  # noqa: E402 - the import is the subject

after = handlers(), descriptors(), threading.active_count()
wakeup = signal.set_wakeup_fd(-1)
print("changed nothing" if (before, wakeup) == (after, -1) else f"{before} became {after}, {wakeup}")
drivers = {"psycopg", "psycopg_pool", "sqlite3", "pymysql", "redis", "uvicorn", "http.server"}
print("loaded", sorted(drivers & sys.modules.keys()))
print(tasker.__name__)
