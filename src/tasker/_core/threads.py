"""The worker threads: cached, daemon, without limit, growing lazily.

Tasks may block one another (a barrier, a queue), so a limit would be a deadlock in waiting. A thread whenever none is
idle would make thousands of them for a burst of short tasks, and waking every idle one for such a burst is hardly
better. So tasks are queued, and one idle thread is woken, which wakes the next when it takes a task and leaves others:
short tasks are done by two or three, while those that block get all threads that there are, one soon after another. A
few threads start at once; beyond them, while the queue is not empty and none is idle, more come at each beat of 10 ms,
one at first and twice as many each time, as long as no task at all has been taken for 2 ms; when tasks flow again it
is one a beat.

Not the default executor of asyncio: its threads are few, and a stuck one keeps the process from exiting.

State: `_lock` guards the queue, the idle workers and the counts; what a worker does is written by that worker. The
growth beats run on the clock thread and start only one thread themselves, which starts the others: starting hundreds
would make every timer of the process late.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from tasker._core import clock

logger = logging.getLogger("tasker")

_START_AT_ONCE = 4
_BEAT = 0.010
_STALLED_AFTER = 0.002
_IDLE_FOR = 10.0
_GROW_AT_MOST = 1024
_NO_MORE = "the system starts no more threads; %d are at work"


class Doing:
    """What one thread does now, by its name, for the report of what is still running; that thread writes it."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        """Do nothing yet."""
        self.name = ""


class _Here(threading.local):
    def __init__(self) -> None:
        self.doing = Doing()


here = _Here()
"""What this thread does; only that of worker threads is looked at by others."""


class _Worker(threading.Thread):
    """One thread; `gate` is released by whoever wakes it."""

    def __init__(self, pool: _Pool, siblings: int) -> None:
        super().__init__(name="tasker-worker", daemon=True)
        self._pool = pool
        self._siblings = siblings
        self.gate = threading.Lock()
        self.gate.acquire()
        self.doing = Doing()

    def run(self) -> None:
        pool = self._pool
        here.doing = self.doing
        pool.arrived(self)
        for _ in range(self._siblings):
            pool.start_thread()
        while (job := pool.next_job(self)) is not None:
            try:
                job()
            except BaseException:  # a worker survives whatever its job does
                logger.exception("a job in a worker thread of tasker's failed")
            # Nothing of the job may stay alive while the thread waits for the next.
            del job
            self.doing.name = ""


class _Pool:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._queue: deque[Callable[[], object]] = deque()
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._starting = 0
        self._waking = 0
        self._taken_at = 0.0
        self._step = 1
        self._is_beating = False

    def submit(self, job: Callable[[], object]) -> None:
        with self._lock:
            self._queue.append(job)
            is_one_of_few = not self._idle and len(self._workers) + self._starting < _START_AT_ONCE
            if is_one_of_few:
                self._starting += 1
            needs_beats = not is_one_of_few and self._share()
        if is_one_of_few:
            self._start_for(job)
        elif needs_beats:
            self._beat_later()

    def _start_for(self, job: Callable[[], object]) -> None:
        """Start a thread; if there is none at all, take the job back, which would be done when nobody expects it."""
        try:
            self.start_thread()
        except RuntimeError:
            with self._lock:
                if job not in self._queue:
                    return  # a thread that was just coming has taken it
                self._queue.remove(job)
            raise

    def next_job(self, worker: _Worker) -> Callable[[], object] | None:
        """Return what the worker does next; `None` ends its thread."""
        while (job := self._take(worker)) is None:
            if not self._is_woken(worker):
                return None
        return job

    def _take(self, worker: _Worker) -> Callable[[], object] | None:
        """Take a job from the queue; if there is none, the worker is idle from now on."""
        with self._lock:
            if not self._queue:
                self._idle.append(worker)
                return None
            job = self._queue.popleft()
            self._taken_at = time.monotonic()
            needs_beats = self._share()
        if needs_beats:
            self._beat_later()
        return job

    def _share(self) -> bool:
        """Wake one more worker if there is work for it; if all are at work, tell whether beats are to begin."""
        if not self._queue or self._waking:
            return False  # whoever wakes comes here again
        if self._idle:
            worker = self._idle.pop()
            self._waking += 1
            worker.gate.release()
            return False
        if self._is_beating:
            return False
        self._is_beating = True
        self._step = 1
        return True

    def _is_woken(self, worker: _Worker) -> bool:
        """Wait until an idle worker is woken; tell whether it was, before its time was over."""
        while not worker.gate.acquire(timeout=_IDLE_FOR):
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    self._workers.discard(worker)
                    return False
        with self._lock:
            self._waking -= 1
        return True

    def arrived(self, worker: _Worker) -> None:
        with self._lock:
            self._starting -= 1
            self._workers.add(worker)

    def start_thread(self, siblings: int = 0) -> None:
        """Start a thread that was counted as starting, and that starts `siblings` more."""
        try:
            _Worker(self, siblings).start()
        except RuntimeError:
            with self._lock:
                self._starting -= 1 + siblings
                at_work = len(self._workers)
            logger.warning(_NO_MORE, at_work)
            if not at_work:
                raise

    def running(self) -> list[tuple[str, int]]:
        """Return what the workers do now: a name and the identifier of the thread."""
        with self._lock:
            workers = list(self._workers)
        return [(name, worker.ident or 0) for worker in workers if (name := worker.doing.name)]

    def _beat_later(self) -> None:
        try:
            clock.system().call_at(time.monotonic() + _BEAT, self._beat)
        except RuntimeError:  # there is no thread for the clock either; the next job tries again
            with self._lock:
                self._is_beating = False
            logger.warning(_NO_MORE, len(self._workers))

    def _beat(self) -> None:
        with self._lock:
            if not self._queue:
                self._is_beating = False
                return
            # Threads that are still on their way have taken nothing yet; that is no sign of tasks that block.
            count = 0 if self._starting or self._waking else self._next_step()
            self._starting += count
        if count:
            with suppress(RuntimeError):  # the next beat tries again
                self.start_thread(siblings=count - 1)
        self._beat_later()

    def _next_step(self) -> int:
        is_stalled = time.monotonic() - self._taken_at >= _STALLED_AFTER
        count = min(self._step if is_stalled else 1, len(self._queue))
        self._step = min(count * 2, _GROW_AT_MOST)
        return count


_pool = _Pool()


def submit(job: Callable[[], object]) -> None:
    """Run `job` in a worker thread; it must not raise."""
    now = clock.current()
    if now is clock.system():
        _pool.submit(job)
        return
    now.begin_work()

    def counted() -> None:
        now.enter(is_counted=True)
        try:
            job()
        finally:
            now.leave()

    _pool.submit(counted)


def start(name: str, target: Callable[[], object]) -> threading.Thread:
    """Run `target` in a daemon thread of its own, for work that lasts."""
    now = clock.current()
    now.begin_work()

    def counted() -> None:
        now.enter(is_counted=True)
        try:
            target()
        except BaseException:
            logger.exception("the thread %s of tasker's failed", name)
        finally:
            now.leave()

    thread = threading.Thread(target=counted, name=name, daemon=True)
    thread.start()
    return thread


def running() -> list[tuple[str, int]]:
    """Return the name and the thread identifier of each task that runs in a worker thread now."""
    return _pool.running()


def _start_afresh_in_child() -> None:
    global _pool  # noqa: PLW0603 - the threads did not survive the fork
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
