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
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any
from weakref import WeakSet

from tasker._core import clock, wakeup
from tasker._core.leaving import Outcome, is_cancellation

_FOR_THE_REST = 1.0
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


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Wake the loop for a signal, which may come in the moment before it waits.

    Python calls a handler between two steps of its own; what comes after the last of them would wait for whatever else
    wakes the loop. Nothing is done for a loop that watches no descriptors, as that of Windows, which does this by
    itself.
    """
    with ExitStack() as stack:
        reader, writer = os.pipe()
        for end in (reader, writer):
            stack.callback(os.close, end)
            os.set_blocking(end, False)
        with suppress(NotImplementedError):
            loop.add_reader(reader, os.read, reader, 1024)
            stack.callback(loop.remove_reader, reader)
            wakeup.take(writer)
            stack.callback(wakeup.give_back, writer)
        yield


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
