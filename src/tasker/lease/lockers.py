"""Lockers on top of a `LeaseStore`: waiting, renewal and release exist here once, whatever the store."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import uuid
from types import TracebackType
from typing import Generic, TypeVar

from tasker._core import clock
from tasker._core.calling import in_worker
from tasker._core.context import Context, DerivedContext
from tasker._core.durations import Duration, seconds_of
from tasker._core.waiting import refuse_on_loop, wait_for_end, wait_for_end_async
from tasker.errors import StoreUnavailable
from tasker.lease.renewal import Renewal
from tasker.ports import Held, LeaseStore

logger: logging.Logger = logging.getLogger("tasker")

_POLL = (0.1, 0.3)
_TRIES_TO_FREE = 3
_C_co = TypeVar("_C_co", bound="Context | None", covariant=True)


class LockedContext(DerivedContext):
    """The context under which a lock is held; it ends with `LeaseLost` when the lock is lost.

    A locker of your own may make one too, as a `with` block; let `parent` be a context that you can cancel with a
    `LeaseLost`, if your lock service can tell.
    """

    __slots__ = ("_fencing_token",)

    def __init__(self, parent: Context, token: int) -> None:
        """Derive the context of a lock.

        Args:
            parent: What it is derived from.
            token: An integer that grows with each acquisition of the same key.
        """
        self._fencing_token = token
        super().__init__(parent, parent._values, parent._deadline)

    @property
    def fencing_token(self) -> int:
        """An integer that grows with each acquisition of the same key; let what you write to check it."""
        return self._fencing_token


class LockerFactory:
    """Gives lockers whose locks are leases in a store.

    One factory is one owner; it has one thread that renews all of its locks, while there are any.
    """

    def __init__(self, store: LeaseStore, *, ttl: Duration = 15) -> None:
        """Make a factory; it does no I/O.

        Args:
            store: Where the locks are.
            ttl: How long a lock outlives its holder, at most a day; it is renewed at each third of that. Where it is
                less than three times the `call_limit` of the store, a single call that takes so long loses the lock.
                That is safe, as the holder is told in time, and with a store that answers at once it never happens;
                so it is not refused, as the lease of a scheduler is.

        Raises:
            TypeError: The duration is of another kind.
            ValueError: It is not positive, or longer than a day.
        """
        self._store = store
        self._ttl = lease_in_seconds(ttl, "ttl")
        self._owner = str(uuid.uuid4())
        self._renewal = Renewal(store.extend, self._owner, self._ttl, store.call_limit)

    def locker_for(self, key: str) -> Locker:
        """Return the locker for a key.

        Raises:
            TypeError: The key is no string.
            ValueError: It is empty, longer than 255 characters, or has a NUL or a lone surrogate.
        """
        return Locker(self, checked_key(key, "key"))

    def _acquire(self, key: str) -> tuple[Held, float] | None:
        sent = clock.current().boottime()
        grants = self._store.acquire(self._owner, round(self._ttl * 1_000_000), [key]).grants
        return (Held(key, grants[0].token), sent) if grants else None

    def _free(self, held: Held) -> None:
        self._renewal.remove(held)
        for attempt in range(1, _TRIES_TO_FREE + 1):
            try:
                self._store.free(self._owner, [held])
            except StoreUnavailable as error:
                if attempt == _TRIES_TO_FREE:
                    logger.warning("the lock %r was not freed; it ends within %g s: %s", held.id, self._ttl, error)
            else:
                return


class Locker:
    """A lock for one key; made by a `LockerFactory`. Any thread and any loop may use it."""

    def __init__(self, factory: LockerFactory, key: str) -> None:
        """Not for use outside."""
        self._factory = factory
        self._key = key

    def lock(self, ctx: Context) -> Locking[LockedContext]:
        """Wait until the lock is free and take it, for a `with` or an `async with` block.

        Under a context that already holds this lock it returns at once, and frees nothing at its end.

        Raises:
            Cancelled: (at the start of the block) `ctx` ended first.
            StoreUnavailable: (at the start of the block) The store did not answer; a lock that it gave all the same
                ends by itself.
        """
        return Locking(self._factory, self._key, ctx, waits=True)

    def try_lock(self, ctx: Context) -> Locking[LockedContext | None]:
        """Take the lock if it is free now, for a `with` or `async with` block; its value is `None` if not.

        Raises:
            Cancelled: (at the start of the block) `ctx` has ended.
            StoreUnavailable: (at the start of the block) The store did not answer.
        """
        return Locking(self._factory, self._key, ctx, waits=False)

    def __repr__(self) -> str:
        return f"<Locker {self._key!r}>"


class Locking(Generic[_C_co]):
    """One use of a lock as a block; made by a `Locker`, for one block."""

    def __init__(self, factory: LockerFactory, key: str, ctx: Context, *, waits: bool) -> None:
        """Not for use outside."""
        self._factory = factory
        self._key = key
        self._ctx = ctx
        self._waits = waits
        self._held: Held | None = None
        self._locked: LockedContext | None = None
        self._process = 0

    def __enter__(self) -> _C_co:
        refuse_on_loop("with locker.lock(ctx)", "async with")
        while not self._try() and self._waits:
            wait_for_end(self._ctx, random.uniform(*_POLL))
        return self._locked  # type: ignore[return-value]  # None only where _C_co allows it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    async def __aenter__(self) -> _C_co:
        try:
            while not await in_worker(self._try) and self._waits:
                await wait_for_end_async(self._ctx, random.uniform(*_POLL))
        except asyncio.CancelledError:
            # It may have been acquired all the same; nobody would free it.
            await in_worker(self._leave)
            raise
        return self._locked  # type: ignore[return-value]  # None only where _C_co allows it

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await in_worker(self._leave)

    def _try(self) -> bool:
        """Take the lock if it is free, or if the context holds it already."""
        self._ctx.raise_if_done()
        outer: LockedContext | None = self._ctx.value((self._factory, self._key))
        if outer is not None and not outer.done:
            self._locked = LockedContext(self._ctx, outer.fencing_token)
            return True
        try:
            acquired = self._factory._acquire(self._key)
        except StoreUnavailable:
            self._ctx.raise_if_done()  # whoever is to leave need not hear that nobody answered
            raise
        if acquired is None:
            return False
        self._held, sent = acquired
        self._process = os.getpid()
        locked = self._locked = LockedContext(self._ctx, self._held.token)
        locked._values = ((self._factory, self._key), locked, locked._values)
        self._factory._renewal.add(self._held, sent, locked._close)
        return True

    def _leave(self) -> None:
        if self._locked is not None:
            self._locked.__exit__(None, None, None)
        held, self._held = self._held, None
        # A child that was forked in the block leaves it too, but the lock is its parent's.
        if held is not None and self._process == os.getpid():
            self._factory._free(held)


def checked_key(key: object, argument: str) -> str:
    """Return a key or an id that every store can keep.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty, longer than 255 characters, or has a NUL or a lone surrogate.
    """
    if not isinstance(key, str):
        raise TypeError(f"{argument}: expected a string, got {key!r}")
    if not key or len(key) > _LONGEST or _UNSTORABLE.search(key):
        got = f"{len(key)} characters" if len(key) > _LONGEST else repr(key)
        raise ValueError(f"{argument}: expected 1 to {_LONGEST} characters without NUL or lone surrogates, got {got}")
    return key


def lease_in_seconds(length: Duration, argument: str) -> float:
    """Return the length of a lease in seconds.

    Raises:
        TypeError: It is neither a `timedelta` nor a number.
        ValueError: It is not more than zero, or more than a day: nobody else gets what a dead holder has for that long.
    """
    seconds = seconds_of(length, argument, positive=True)
    if seconds > _LONGEST_LEASE:
        raise ValueError(f"{argument}: expected a day (86400 s) at most, got {length!r}")
    return seconds


_LONGEST_LEASE = 24 * 3600.0
_LONGEST = 255
_UNSTORABLE = re.compile("[\\0\\ud800-\\udfff]")
