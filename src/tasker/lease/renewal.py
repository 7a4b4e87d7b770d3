"""Leases are renewed in a thread of their own, until whoever holds them lets go.

A lease is trusted up to a local deadline: the moment before the last successful request was *sent*, plus the time it
was asked for, less a margin; kept on the clock that counts suspension. Whatever happens to the store, the network or
this process, whoever holds the lease is told that it is lost when that deadline passes, before the store can give it
to another. A reply that the lease is gone ends it at once; no reply at all changes nothing but the time that is left.

State: `_lock` guards the leases and their deadlines. The thread starts with the first lease and ends with `close`.
Those who are told of a loss are told in that thread, and must not block.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from tasker._core import clock, threads
from tasker._core.waiting import Bell
from tasker.errors import LeaseLost, StoreUnavailable
from tasker.ports import Held, Renewed

logger: logging.Logger = logging.getLogger("tasker")

_RETRY_AFTER = 0.1
# Renewals in the course of one lease.
_TIMES = 3


class Renew(Protocol):
    """What `Store.renew` and `LeaseStore.extend` have in common."""

    def __call__(self, owner: str, ttl: int, held: Sequence[Held], timeout: float, /) -> Renewed:
        """Renew leases; see `tasker.ports`."""
        ...


class _Lease:
    __slots__ = ("deadline", "held", "on_lost")

    def __init__(self, held: Held, deadline: float, on_lost: Callable[[LeaseLost], object]) -> None:
        self.held = held
        self.deadline = deadline
        self.on_lost = on_lost


class Renewal:
    """Renews the leases of one owner."""

    def __init__(self, renew: Renew, owner: str, ttl: float, call_limit: float) -> None:
        """Make a renewal that has nothing to do yet.

        Args:
            renew: The operation of the store.
            owner: Who holds the leases.
            ttl: Their length, in seconds.
            call_limit: How long one call may take, in seconds.
        """
        self._renew = renew
        self._owner = owner
        self._ttl = ttl
        self._micros = round(ttl * 1_000_000)
        self._margin = min(max(1.0, ttl / 15), ttl / 5)
        self._call_limit = call_limit
        self._lock = threading.Lock()
        self._leases: dict[Held, _Lease] = {}
        self._bell = Bell()
        self._has_thread = False
        self._is_closed = False
        self._next_at = 0.0
        self.is_slow: bool = False
        """Whether the last renewal took more than a third of the time between two of them."""

    def deadline_of(self, sent: float) -> float:
        """Return until when a lease can be trusted that was asked for at `sent`, both as `Clock.boottime`."""
        return sent + self._ttl - self._margin

    def add(self, held: Held, sent: float, on_lost: Callable[[LeaseLost], object]) -> None:
        """Keep a lease alive that was asked for at `sent` (`Clock.boottime`), until it is removed or lost."""
        with self._lock:
            if not self._leases:
                self._next_at = sent + self._ttl / _TIMES
            self._leases[held] = _Lease(held, self.deadline_of(sent), on_lost)
            must_start = not self._has_thread
            self._has_thread = True
        if must_start:
            threads.start("tasker-renewal", self._run)
        else:
            self._bell.ring()

    def remove(self, held: Held) -> None:
        """Let a lease go."""
        with self._lock:
            self._leases.pop(held, None)

    def close(self) -> None:
        """End the thread; the leases that are left are not renewed any more."""
        with self._lock:
            self._is_closed = True
            self._leases.clear()
        self._bell.ring()

    def _run(self) -> None:
        while not self._is_closed:
            pause = self._pause()
            if pause is None or pause > 0:
                self._bell.wait(pause)
            else:
                self._tell_the_late()
                self._renew_all()

    def _pause(self) -> float | None:
        """Return the seconds until there is something to do; `None` if there is nothing."""
        with self._lock:
            if not self._leases:
                return None
            first = min(lease.deadline for lease in self._leases.values())
            return min(first, self._next_at) - clock.current().boottime()

    def _tell_the_late(self) -> None:
        now = clock.current().boottime()
        with self._lock:
            late = [lease for lease in self._leases.values() if lease.deadline <= now]
        self._lose(late, f"the store has not confirmed the lease within {self._ttl - self._margin:g} s")

    def _renew_all(self) -> None:
        now = clock.current()
        sent = now.boottime()
        with self._lock:
            asked = dict(self._leases)
            if not asked or self._next_at > sent:
                return
        first = min(lease.deadline for lease in asked.values())
        period = self._ttl / _TIMES
        try:
            reply = self._renew(self._owner, self._micros, tuple(asked), min(self._call_limit, first - sent))
        except StoreUnavailable as error:
            self._next_at = now.boottime() + min(_RETRY_AFTER, period)
            logger.debug("leases could not be renewed: %s", error)
            return
        self._next_at = sent + period
        self._note_pace(now.boottime() - sent, period)
        self._apply(asked, reply, self.deadline_of(sent))

    def _note_pace(self, took: float, period: float) -> None:
        is_slow = took > period / 3
        if is_slow and not self.is_slow:
            logger.warning("renewing leases took %.1f s, due every %.1f s; starting nothing new", took, period)
        self.is_slow = is_slow

    def _apply(self, asked: dict[Held, _Lease], reply: Renewed, deadline: float) -> None:
        with self._lock:
            for held, lease in asked.items():
                if held.id in reply.kept:
                    lease.deadline = deadline
        gone = [lease for held, lease in asked.items() if held.id not in reply.kept]
        self._lose(gone, "the store has given the lease to another, or has lost it")

    def _lose(self, leases: Sequence[_Lease], why: str) -> None:
        for lease in leases:
            with self._lock:
                # Let go or replaced in the meantime: no news for anyone.
                is_current = self._leases.get(lease.held) is lease
                if is_current:
                    del self._leases[lease.held]
            if is_current:
                lease.on_lost(LeaseLost(f"{lease.held.id!r}: {why}"))
