"""The driver: one thread for each scheduler that works while there are entries, and hears of everything by message.

State: the lock guards the inbox and whether there is a thread. `_enough`, the number of messages that wake the thread
though they are patient, belongs to the thread; who reads it a moment too late rings for nothing, or is heard when the
thread wakes by itself. All else belongs to the stretch of work that the thread is at (`tasker.scheduler._work`); a new
stretch begins with nothing, so that nothing of the last one can be in its way.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakSet

from tasker._core import threads
from tasker._core.waiting import Bell
from tasker.scheduler._entry import Entry
from tasker.scheduler._settings import Settings
from tasker.scheduler._usage import Usage
from tasker.scheduler._work import Work

Message = Callable[[Work], object]

# Hundreds of runs may end while the thread waits to record those that ended before: they need not wake it in turn, but
# all together.
_SOON = 0.02


class Driver:
    """Runs the entries of one scheduler while there are any. Any thread may use it."""

    def __init__(self, usage: Usage, settings: Settings) -> None:
        """Make a driver; its thread starts when the first entry joins, and ends when the last has left."""
        self._usage = usage
        self._settings = settings
        self.start_afresh()
        _drivers.add(self)

    def start_afresh(self) -> None:
        """Be a driver without entries and without a thread; for a process that was forked, where the thread is not."""
        self._lock = threading.Lock()
        self._inbox: deque[Message] = deque()
        self._has_thread = False
        self._bell = Bell()
        self._work: Work | None = None
        self._enough = 1
        self._usage.start_afresh()

    @property
    def work(self) -> Work | None:
        """The stretch of work that the thread is at; what other threads may ask of it is said there."""
        return self._work

    def join(self, entries: Sequence[Entry]) -> None:
        """Run entries from now on."""

        def message(work: Work) -> None:
            for entry in entries:
                work.join(entry)

        self._post(message)

    def leave(self, entries: Sequence[Entry], cause: BaseException | None = None) -> None:
        """Let entries go, each as soon as its run, if any, has ended and is recorded; then its host hears of it.

        Args:
            entries: What to let go.
            cause: Ends the contexts of their runs; `None`: these have ended with that of the host.
        """

        def message(work: Work) -> None:
            for entry in entries:
                work.leave(entry, cause)

        self._post(message)

    def look_soon(self) -> None:
        """Look at once what was changed in the store, instead of within a second."""
        self._post(Work.look_soon, may_start=False)

    def _post(self, message: Message, *, may_start: bool = True, is_patient: bool = False) -> None:
        with self._lock:
            if not self._has_thread:
                if not may_start:
                    return
                threads.start("tasker-scheduler", self._run)  # it waits for the lock
                self._has_thread = True
            self._inbox.append(message)
            is_enough = len(self._inbox) >= self._enough
        if is_enough or not is_patient:
            self._bell.ring()

    def _run(self) -> None:
        while self._has_messages():
            with self._usage() as store:
                work = self._work = Work(store, self._settings, partial(self._post, may_start=False))
                while not self._is_over(work):
                    pause = work.pause()
                    self._enough = work.enough if pause is not None and pause <= _SOON else 1
                    self._bell.wait(pause)
                    self._enough = 1
                work.close()
            self._work = None
            work.tell_hosts()

    def _has_messages(self) -> bool:
        """Tell whether there is something to do; if not, the thread ends, and the next message starts another."""
        with self._lock:
            self._has_thread = bool(self._inbox)
            return self._has_thread

    def _is_over(self, work: Work) -> bool:
        """Do what there is to do now, and tell whether all entries have left."""
        while self._inbox:
            work.receive(self._inbox)
        work.go_on()
        return work.is_over


_drivers: WeakSet[Driver] = WeakSet()


def _start_afresh_in_child() -> None:
    for driver in _drivers:
        driver.start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
