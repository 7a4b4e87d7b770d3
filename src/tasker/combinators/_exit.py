"""The end of a process that could not stop in time: what holds it is reported, and then it ends, whatever blocks.

A thread of its own does that, which needs neither the event loop nor the main thread; and since the report itself may
block, on a full pipe or on the lock of a frozen thread, a timer ends the process a second later at the latest.

What tasker has started as processes ends with this one: it is killed first.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections.abc import Callable

from tasker._core import children, clock
from tasker.combinators._stacks import RunningTask
from tasker.errors import ShutdownTimeout

logger = logging.getLogger("tasker")

_FOR_THE_REPORT = 1.0
_STDERR = 2


def exit_now(status: int) -> None:
    """End the process, and the processes that it has started, at once: a normal exit would wait for threads."""
    children.kill_all()
    os._exit(status)


def report_and_exit(find: Callable[[], list[RunningTask]], grace: float, asked_for: float) -> None:
    """Report what is still running, and end the process with status 1, within a second; return before that.

    Args:
        find: Finds what is still running.
        grace: The seconds that it had.
        asked_for: The seconds since it was asked to stop.
    """
    system = clock.system()
    system.call_at(system.monotonic() + _FOR_THE_REPORT, _exit)

    def report() -> None:
        try:
            _log(find(), grace, asked_for)
        finally:
            _exit()

    try:
        threading.Thread(target=report, name="tasker-exit", daemon=True).start()
    except RuntimeError:
        # The system has no more threads, or the interpreter that exits starts none (Python 3.12). Logging here, on the
        # clock thread, could block the very timer that ends the process.
        _write_to_stderr("\n".join(_lines(find(), grace, asked_for)))
        _exit()


def _log(running: list[RunningTask], grace: float, asked_for: float) -> None:
    for line in _lines(running, grace, asked_for):
        logger.critical("%s", line)
    _flush_logging()
    sys.stdout.flush()
    sys.stderr.flush()


def _lines(running: list[RunningTask], grace: float, asked_for: float) -> list[str]:
    error = ShutdownTimeout(tuple(task.name for task in running), grace)
    return [f"ShutdownTimeout: {error}", *(task.told(asked_for) for task in running)]


def _flush_logging() -> None:
    """Flush the handlers of all loggers: a process that ends by `os._exit` does not do so by itself."""
    root = logging.getLogger()
    for each in (root, *root.manager.loggerDict.values()):
        for handler in each.handlers if isinstance(each, logging.Logger) else ():
            handler.flush()


def _write_to_stderr(text: str) -> None:
    """Write what fits into a pipe without blocking."""
    poll = select.poll()
    poll.register(_STDERR, select.POLLOUT)
    if any(event & select.POLLOUT for _, event in poll.poll(0)):
        os.write(_STDERR, f"{text}\n".encode(errors="backslashreplace")[: select.PIPE_BUF])


def _exit() -> None:
    exit_now(1)
