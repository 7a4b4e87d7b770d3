"""An event loop for one call: made, run to the end of a task, and closed.

`asyncio.Runner` does much the same, but its end waits without limit for every asyncio task that is left, also for one
that has been given up because it does not stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from weakref import WeakSet

from tasker._core import clock
from tasker._core.leaving import Outcome, is_cancellation

_FOR_THE_REST = 1.0
_wakeup_fd = -1
_abandoned: WeakSet[asyncio.Task[Any]] = WeakSet()


async def outcome_of(function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> Outcome:
    """Await what a coroutine function returns, and return what leaves it.

    As the coroutine of an asyncio task it keeps `SystemExit` and `KeyboardInterrupt` from taking the whole loop down.
    If that is cancelled before its first step, the function has not been called.
    """
    try:
        await function(*arguments)
    except BaseException as error:  # noqa: BLE001 - nothing is lost, it is returned
        return error
    return None


def run_in_new_loop(
    function: Callable[[], Coroutine[Any, Any, None]], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
) -> Outcome:
    """Run a coroutine function on a loop of its own in this thread, and return what leaves it.

    In the main thread, a Ctrl-C that nobody else handles cancels the coroutine, and becomes the outcome when it has
    left cleanly. A second one is raised where the loop is just then; what is left is still cancelled and waited for, as
    by `asyncio.run`.
    """
    loop = (loop_factory or clock.current().new_event_loop)()
    try:
        asyncio.set_event_loop(loop)
        running = loop.create_task(outcome_of(function))
        with _interrupted_by_ctrl_c(loop, running) as interrupts:
            outcome = loop.run_until_complete(running)
    finally:
        _close(loop)
    return KeyboardInterrupt() if interrupts and (outcome is None or is_cancellation(outcome)) else outcome


def abandon(running: asyncio.Task[Any]) -> None:
    """Give an asyncio task up: the end of its loop waits for nothing any more for longer than a second."""
    _abandoned.add(running)


@contextmanager
def _interrupted_by_ctrl_c(loop: asyncio.AbstractEventLoop, running: asyncio.Task[Any]) -> Generator[list[int]]:
    interrupts: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        interrupts.append(number)
        if len(interrupts) > 1 or running.done():
            raise KeyboardInterrupt
        running.cancel()
        loop.call_soon_threadsafe(lambda: None)  # it may be waiting in select

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, handle)
    try:
        with _woken_by_signals(loop):
            yield interrupts
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def wakeup_fd() -> int:
    """Return what wakes the loop of the main thread when a signal comes; -1 if nothing has to."""
    return _wakeup_fd


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Wake the loop for a signal, which may come in the moment before it waits.

    Python calls a handler between two steps of its own; what comes after the last of them would wait for whatever else
    wakes the loop. Nothing is done where somebody else has taken the descriptor that the C handler writes to, or where
    the loop watches none, as that of Windows, which does this by itself.
    """
    global _wakeup_fd  # noqa: PLW0603 - there is one in a process
    reader, writer = os.pipe()
    try:
        for end in (reader, writer):
            os.set_blocking(end, False)
        try:
            loop.add_reader(reader, os.read, reader, 1024)
        except NotImplementedError:
            yield
            return
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before == -1:
            _wakeup_fd = writer
        else:
            signal.set_wakeup_fd(before)
        try:
            yield
        finally:
            _wakeup_fd = -1
            now = signal.set_wakeup_fd(-1)
            if now != writer:
                signal.set_wakeup_fd(now)
            loop.remove_reader(reader)
    finally:
        os.close(reader)
        os.close(writer)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        left = asyncio.all_tasks(loop)
        # What a task that was given up has started, and its threads, may be as stuck as it is.
        has_given_up = not left.isdisjoint(_abandoned)
        for running in left:
            running.cancel()
        if left:
            waiting = asyncio.wait(left, timeout=_FOR_THE_REST if has_given_up else None)
            for stuck in loop.run_until_complete(waiting)[1]:
                stuck._log_destroy_pending = False  # type: ignore[attr-defined]  # it has been reported
        loop.run_until_complete(loop.shutdown_asyncgens())
        if not has_given_up:
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _start_afresh_in_child() -> None:
    # The pipe is the parent's as well, whose loop would wake up for the child's signals.
    global _wakeup_fd  # noqa: PLW0603
    if _wakeup_fd != -1:
        now = signal.set_wakeup_fd(-1)
        if now != _wakeup_fd:
            signal.set_wakeup_fd(now)
        _wakeup_fd = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
