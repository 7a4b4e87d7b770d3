"""What a run must not leave behind: asyncio tasks, threads, timers, hooks, coroutines, signal handlers, locks."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any

from tasker import Context
from tasker._core import clock, threads
from tasker.store._lock_row import LockRow
from tasker.store.memory import LockerFactory

PATIENCE = 30.0


def timers() -> int:
    """Count the timers that the clock thread still has to call."""
    system = clock.system()
    with system._lock:
        return sum(not timer.is_cancelled for _, _, timer in system._heap)


def hooks(ctx: Context) -> int:
    """Count what would be called when a context ends."""
    return len(ctx._hooks or ())


def busy_workers() -> int:
    """Count the worker threads that are not idle."""
    pool = threads._pool
    with pool._lock:
        return len(pool._workers) - len(pool._idle) + pool._starting + len(pool._queue)


def other_threads() -> set[str]:
    """Return the names of the threads that are neither cached workers nor the clock."""
    return {thread.name for thread in threading.enumerate() if thread.name not in {"tasker-worker", "tasker-clock"}}


def leave_alone() -> None:
    """Leave what there is now out of each later collection and count, which makes these quick."""
    gc.collect()
    gc.freeze()


def suspended_coroutines() -> list[CoroutineType[Any, Any, Any]]:
    """Return the coroutines that were begun since `leave_alone`, and never ended; garbage is collected before."""
    gc.collect()
    return [
        each
        for each in gc.get_objects()
        if inspect.iscoroutine(each) and inspect.getcoroutinestate(each) != inspect.CORO_CLOSED
    ]


def signal_handling() -> tuple[Any, ...]:
    """Return what handles the signals that stop a program, and the descriptor that they wake; for the main thread."""
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    return signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), descriptor


def locks_held(lockers: LockerFactory) -> list[str]:
    """Return the keys of the locks that are held, and of those that are still renewed."""
    rows: dict[str, LockRow] = lockers._store._locks  # type: ignore[attr-defined]
    return [*(key for key, row in rows.items() if row.owner is not None), *lockers._renewal._leases]


@contextmanager
def nothing_left_behind(ctx: Context | None = None, lockers: LockerFactory | None = None) -> Iterator[None]:
    """Check that what ran in the block is gone after it: in this thread, and within some seconds in the others.

    Args:
        ctx: A context that has as many hooks after the block as before.
        lockers: What the locks come from that the block takes; it renews nothing any more afterwards.
    """
    before = (timers(), other_threads(), signal_handling(), hooks(ctx) if ctx else 0)
    leave_alone()
    yield
    if lockers is not None:
        assert locks_held(lockers) == []
        lockers._renewal.close()
    eventually(lambda: busy_workers() == 0, "worker threads are busy")
    eventually(lambda: timers() <= before[0], "timers are left")
    eventually(lambda: other_threads() <= before[1], "threads are left")
    assert signal_handling() == before[2]
    assert (hooks(ctx) if ctx else 0) == before[3]
    assert suspended_coroutines() == []


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until something that other threads are about to do is done."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.001)


def tasks_of_loop() -> set[asyncio.Task[Any]]:
    """Return the asyncio tasks of the running loop, but for the current one."""
    return asyncio.all_tasks() - {asyncio.current_task()}
