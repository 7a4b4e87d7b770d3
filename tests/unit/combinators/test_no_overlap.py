from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tasker import Cancelled, Context, LeaseLost, TaskLike, concurrence, run, with_no_overlap
from tasker._core.context import CancelContext
from tasker.store.memory import LockerFactory
from tests._support.leftovers import eventually
from tests._support.tasks import Boom, ended, fails, fails_async, noting, until_the_end, until_the_end_async


class MemoryLocker:
    """A lock in this process, whose holder can be told that it lost it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.locked: CancelContext | None = None
        self.threads: list[str] = []

    @contextmanager
    def try_lock(self, ctx: Context) -> Iterator[Context | None]:
        if not self._lock.acquire(blocking=False):
            yield None
            return
        self.threads.append(threading.current_thread().name)
        try:
            with ctx.with_cancel() as self.locked:
                yield self.locked
        finally:
            self.threads.append(threading.current_thread().name)
            self._lock.release()

    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        with self._lock, ctx.with_cancel() as locked:
            yield locked

    def is_free(self) -> bool:
        free = self._lock.acquire(blocking=False)
        if free:
            self._lock.release()
        return free


def lose(locker: MemoryLocker, cause: BaseException) -> None:
    assert locker.locked is not None
    locker.locked.cancel(cause)


@pytest.fixture
def locker() -> MemoryLocker:
    return MemoryLocker()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_runs_if_the_lock_is_free(locker: MemoryLocker, is_async: bool) -> None:
    held: list[bool] = []

    async def work() -> None:
        held.append(not locker.is_free())

    run(with_no_overlap(locker, work if is_async else lambda: held.append(not locker.is_free())))

    assert held == [True]


def test_a_task_is_skipped_if_the_lock_is_taken(locker: MemoryLocker, caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    caplog.set_level(logging.INFO)

    with locker.try_lock(Context.background()):
        run(with_no_overlap(locker, noting(log, "ran")))

    assert log == []
    assert caplog.messages[0].endswith("is skipped: it runs elsewhere")


def test_of_two_at_once_one_runs(locker: MemoryLocker) -> None:
    log: list[str] = []
    other_has_been_skipped = threading.Event()

    def work() -> None:
        log.append("ran")
        other_has_been_skipped.wait(5)

    def skipped() -> None:
        while not log:
            pass
        run(with_no_overlap(locker, noting(log, "ran too")))
        other_has_been_skipped.set()

    run(concurrence(with_no_overlap(locker, work), skipped))

    assert log == ["ran"]


def test_the_lock_is_free_afterwards(locker: MemoryLocker) -> None:
    run(with_no_overlap(locker, lambda: None))

    assert locker.is_free()


@pytest.mark.parametrize("failing", [fails, fails_async])
def test_a_failure_frees_the_lock_and_is_raised(locker: MemoryLocker, failing: TaskLike) -> None:
    with pytest.raises(Boom):
        run(with_no_overlap(locker, failing))

    assert locker.is_free()


def test_the_lock_is_taken_and_freed_in_one_thread(locker: MemoryLocker) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    run(concurrence(with_no_overlap(locker, work)))

    assert locker.threads == ["tasker-worker", "tasker-worker"]


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async])
def test_a_lost_lock_ends_the_task_and_is_raised(locker: MemoryLocker, task: TaskLike) -> None:
    cause = LeaseLost("gone")

    async def loses() -> None:
        await asyncio.to_thread(eventually, lambda: locker.locked is not None, "nobody took the lock")
        lose(locker, cause)

    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(with_no_overlap(locker, task), loses))

    assert caught.value.exceptions == (cause,)


def test_a_lost_lock_that_the_task_does_not_mind_is_no_error(locker: MemoryLocker) -> None:
    run(with_no_overlap(locker, lambda: lose(locker, LeaseLost("gone"))))


def test_when_the_context_ends_it_is_cancelled(locker: MemoryLocker) -> None:
    ctx = Context.background().with_cancel()

    def end(own: Context) -> None:
        ctx.cancel()
        own.sleep(60)

    with pytest.raises(Cancelled):
        run(with_no_overlap(locker, end), ctx)


def test_under_an_ended_context_the_lock_is_not_taken(locker: MemoryLocker) -> None:
    with pytest.raises(Cancelled):
        run(with_no_overlap(locker, lambda: None), ended())

    assert locker.threads == []


def test_the_task_runs_under_the_context_of_the_lock(locker: MemoryLocker) -> None:
    seen: list[bool] = []

    run(with_no_overlap(locker, lambda ctx: seen.append(ctx is locker.locked)))

    assert seen == [True]


@pytest.mark.parametrize("given", [5, None, "key", object()])
def test_what_is_no_locker_is_refused_when_it_is_built(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^locker: expected a locker, as from locker_factory\.locker_for"):
        with_no_overlap(given, lambda: None)


def test_a_factory_of_lockers_is_told_that_it_gives_one() -> None:
    with pytest.raises(TypeError, match=r"; call its locker_for\(key\)$"):
        with_no_overlap(LockerFactory(), lambda: None)  # type: ignore[call-overload]


def test_it_decorates(locker: MemoryLocker) -> None:
    log: list[str] = []

    @with_no_overlap(locker)
    def work() -> None:
        log.append("ran")

    work.run()

    assert (log, str(work).splitlines()[0]) == (["ran"], "with_no_overlap")
