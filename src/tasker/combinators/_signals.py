"""Signals end contexts, also while the main thread or the loop is blocked.

There is one registry in a process. It installs plain `signal.signal` handlers, which only write the number to the pipe
of the clock thread, and, where it is free, the wake-up descriptor of the `signal` module, which the C handler writes to
even while no Python code can run in the main thread. The clock thread ends the contexts.

Rejected: `loop.add_signal_handler`, which a blocked loop starves; and ending a context in the handler itself, which may
have interrupted the main thread while it held the lock of that very context.

What comes while C code keeps the interpreter to itself is heard in one moment when that returns, and counts as one
signal: the pipe does not say when a byte was written. Rejected: that two bytes are two signals, since one that a
wrapper forwards would then end the process without a stop; and datagrams with the kernel's time in place of the pipe,
since only Linux has them, and its queue is full with ten, so that a signal could be lost behind the wake-ups of timers.

State: `_lock` guards the listeners; handlers are installed and removed, and run, by the main thread only, as Python
demands; the counts belong to the clock thread. A forked child starts with the handlers that were there before.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tasker._core import clock, waiting, wakeup
from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context, Scope
from tasker._core.task import Task, to_task
from tasker.errors import Cancelled

DEFAULT_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)

# A wrapper such as a shell or `make` forwards the signal that the terminal has sent to the whole group already.
_THE_SAME_WITHIN = 0.050
_LET_RUN = 0.050
# Set in the byte that the Python handler writes, to tell it from the C handler's.
_FROM_PYTHON = 128
# No signal has the number 0: what is counted begins again. In the pipe, it comes after all that was before.
_COUNT_AFRESH = 0 | _FROM_PYTHON


class _Listener:
    def __init__(
        self, numbers: frozenset[int], first: Callable[[int], object], again: Callable[[int], object] | None
    ) -> None:
        self.numbers = numbers
        self._first = first
        self._again = again
        self._heard_at: float | None = None

    def hear(self, number: int) -> None:
        now = clock.system().monotonic()
        if self._heard_at is None:
            self._heard_at = now
            self._first(number)
        elif self._again is not None and now - self._heard_at > _THE_SAME_WITHIN:
            self._again(number)


class _Registry:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[_Listener] = []
        self._previous: dict[int, Any] = {}
        self._pipe = -1
        self._by_c: dict[int, int] = {}
        self._by_python: dict[int, int] = {}
        self._delivered: dict[int, int] = {}
        self._seen = 0
        self._is_letting_others_run = False

    def add(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.append(listener)
        system = clock.system()
        system.on_signal = self._receive
        self._pipe = system.listen()
        if not self._previous:
            self._write(_COUNT_AFRESH)
        wakeup.take(self._pipe)
        for number in listener.numbers - self._previous.keys():
            self._previous[number] = signal.signal(number, self._handle)

    def remove(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.remove(listener)
            needed = {number for other in self._listeners for number in other.numbers}
        self._give_back(self._previous.keys() - needed)

    def give_back_all(self) -> None:
        """Let signals go where they went before anybody listened."""
        self._give_back(set(self._previous))

    def _give_back(self, numbers: set[int]) -> None:
        for number in numbers:
            previous = self._previous.pop(number)
            if signal.getsignal(number) == self._handle:
                # None: it was installed by C code, and Python cannot put it back.
                signal.signal(number, signal.SIG_DFL if previous is None else previous)
        if not self._previous:
            wakeup.give_back(self._pipe)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        seen = self._seen
        self._write(number | _FROM_PYTHON)
        if self._is_letting_others_run:
            return  # it has interrupted itself: a flood of signals would go deeper than the stack
        self._is_letting_others_run = True
        # C code that holds the interpreter for long, such as a regular expression, lets handlers run but no other
        # thread: this is the only moment in which the clock thread can hear of it. It is not waited for without end,
        # since it may need a lock that the interrupted code holds.
        try:
            waiting.let_others_run(lambda: self._seen != seen, _LET_RUN)
        finally:
            self._is_letting_others_run = False

    def _write(self, byte: int) -> None:
        try:
            os.write(self._pipe, bytes([byte]))
        except BlockingIOError:
            pass  # the pipe is full of signals

    def _receive(self, byte: int) -> None:
        try:
            self._count(byte)
        finally:
            self._seen += 1

    def _count(self, byte: int) -> None:
        """Count what came each way, and deliver each signal once, by whichever way it came first."""
        if byte == _COUNT_AFRESH:
            for counted in (self._by_c, self._by_python, self._delivered):
                counted.clear()
            return
        number = byte & ~_FROM_PYTHON
        counts = self._by_python if byte & _FROM_PYTHON else self._by_c
        counts[number] = counts.get(number, 0) + 1
        if counts[number] <= self._delivered.get(number, 0):
            return
        self._delivered[number] = counts[number]
        with self._lock:
            listeners = [listener for listener in self._listeners if number in listener.numbers]
        for listener in listeners:
            listener.hear(number)


_registry = _Registry()


def _start_afresh_in_child() -> None:
    global _registry
    copied, _registry = _registry, _Registry()
    copied.give_back_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)


@contextmanager
def listening(
    numbers: tuple[int, ...], first: Callable[[int], object], again: Callable[[int], object] | None = None
) -> Generator[None]:
    """Listen to signals while the block runs; both callbacks run on the clock thread.

    Args:
        numbers: The signals; none means that nothing is installed.
        first: Called with the number of the first of them.
        again: Called with the number of each that comes later than 50 ms after the first.

    Raises:
        RuntimeError: This is not the main thread.
    """
    if not numbers:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals can be heard in the main thread only; start it there, or give it no signals")
    listener = _Listener(frozenset(numbers), first, again)
    _registry.add(listener)
    try:
        yield
    finally:
        _registry.remove(listener)


def signals_of(given: Iterable[Any]) -> tuple[int, ...]:
    """Return what the user gave as signal numbers.

    Raises:
        TypeError: It is one instead of several, or one of them is no number.
        ValueError: There is no such signal, or it cannot be handled.
    """
    if not isinstance(given, Iterable):
        raise TypeError(f"signals: expected several, as in [signal.SIGTERM], got {given!r}")
    numbers = tuple(given)
    for each in numbers:
        if not isinstance(each, int) or isinstance(each, bool):
            raise TypeError(f"signals: expected members of signal.Signals, got {each!r}")
        if each not in signal.valid_signals() or each in (signal.SIGKILL, signal.SIGSTOP):
            raise ValueError(f"signals: expected some that a program can handle, as signal.SIGTERM, got {each!r}")
    return tuple(int(each) for each in numbers)


def reason_of(number: int) -> Cancelled:
    """Return the cause with which a context ends because of a signal."""
    return Cancelled(f"received {signal.Signals(number).name}")


class _SignalNotify(Task):
    def __init__(self, task: Task, numbers: tuple[int, ...]) -> None:
        super().__init__("with_signal_notify " + " ".join(signal.Signals(n).name for n in numbers), [task])
        self.starting = self.children
        self._task = task
        self._numbers = numbers

    async def _body(self, ctx: Context) -> None:
        with Scope(ctx) as scope, listening(self._numbers, lambda number: scope.end(reason_of(number))):
            try:
                await perform(self._task, scope.ctx)
            except Cancelled:
                if not scope.ctx.done:
                    raise


def with_signal_notify(task: TaskLike, *signals: int) -> Task:
    """Let signals end the context of a task; ending that way is no error.

    The handlers that were there before come back afterwards. A signal reaches every task that listens to it.

    Args:
        task: Anything that can be a task.
        signals: Which ones; none means SIGINT and SIGTERM.

    Raises:
        TypeError: The task cannot be one, or a signal is no number.
        ValueError: There is no such signal, or it cannot be handled.
        RuntimeError: (when run) It does not run in the main thread.
    """
    return _SignalNotify(to_task(task), signals_of(signals or DEFAULT_SIGNALS))
