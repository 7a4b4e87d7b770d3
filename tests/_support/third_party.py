"""The simple ports as a third party writes them within the hour: locks of threads, states in a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tasker import Context
from tasker.errors import StaleToken
from tasker.lease.lockers import LockedContext
from tasker.ports import ScheduleState


class Locks:
    """A locker factory on the locks of threads: no renewal, no loss, no fencing."""

    def __init__(self) -> None:
        self.locks: dict[str, threading.Lock] = {}

    def locker_for(self, key: str) -> ThreadLocker:
        return ThreadLocker(self.locks.setdefault(key, threading.Lock()))


class ThreadLocker:
    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        ctx.raise_if_done()
        while not self._lock.acquire(blocking=False):
            ctx.sleep(0.1)
        try:
            with ctx.with_cancel() as locked:
                yield locked
        finally:
            self._lock.release()

    @contextmanager
    def try_lock(self, ctx: Context) -> Iterator[Context | None]:
        if not self._lock.acquire(blocking=False):
            yield None
            return
        try:
            with ctx.with_cancel() as locked:
                yield locked
        finally:
            self._lock.release()


class States:
    """A repository in a dictionary that does not look at tokens."""

    def __init__(self) -> None:
        self.states: dict[str, ScheduleState] = {}

    def find_by_id(self, id: str) -> ScheduleState | None:
        return self.states.get(id)

    def create(self, state: ScheduleState) -> None:
        self.states.setdefault(state.id, state)

    def update(self, state: ScheduleState) -> None:
        self.states[state.id] = state

    def delete_by_id(self, id: str) -> None:
        self.states.pop(id, None)


class FencedLocks:
    """The same locks, with a number for each acquisition."""

    def __init__(self) -> None:
        self.locks = Locks()
        self.tokens: dict[str, int] = {}

    def locker_for(self, key: str) -> FencedLocker:
        return FencedLocker(self, key)


class FencedLocker:
    def __init__(self, factory: FencedLocks, key: str) -> None:
        self._factory = factory
        self._key = key

    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        with self._factory.locks.locker_for(self._key).lock(ctx) as held, self._fenced(held) as locked:
            yield locked

    @contextmanager
    def try_lock(self, ctx: Context) -> Iterator[Context | None]:
        with self._factory.locks.locker_for(self._key).try_lock(ctx) as held:
            if held is None:
                yield None
                return
            with self._fenced(held) as locked:
                yield locked

    def _fenced(self, held: Context) -> LockedContext:
        token = self._factory.tokens[self._key] = self._factory.tokens.get(self._key, 0) + 1
        return LockedContext(held, token)


class FencedStates(States):
    """A repository that does look at tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._mutex = threading.Lock()

    def update(self, state: ScheduleState) -> None:
        with self._mutex:
            newest = self.states.get(state.id, state).token
            if newest > state.token:
                raise StaleToken(state.id, state.token, newest)
            super().update(state)
