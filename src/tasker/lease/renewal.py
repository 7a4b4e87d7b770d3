"""Leases are renewed in a thread of their own, until whoever holds them lets go.

A lease is trusted up to a local deadline: the moment before the last successful request was *sent*, plus the time it
was asked for, less a margin; kept on the clock that counts suspension. Whatever happens to the store, the network or
this process, whoever holds the lease is told that it is lost when that deadline passes, before the store can give it
to another. A reply that the lease is gone ends it at once; no reply at all changes nothing but the time that is left.

State: `_lock` guards the leases, their deadlines, the times and the call under way. The thread starts with a lease and
ends with `close`, or when there has been no lease for a while. Those who are told of a loss are told in that thread, in
the clock's while a call blocks that one, or in the one that brings a lease whose time is over, and must not block.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Protocol
from weakref import WeakSet

from tasker._core import clock, threads
from tasker._core.waiting import Bell, Gate
from tasker.errors import LeaseLost, StoreUnavailable
from tasker.ports import Held, Renewed

logger: logging.Logger = logging.getLogger("tasker")

_RETRY_AFTER = 0.1
# Renewals in the course of one lease.
_TIMES = 3
# A waiting thread does not notice that the machine was suspended meanwhile: it looks at the clock so often.
_LOOK_EVERY = 1.0
_IDLE_FOR = 10.0
# The clocks of timers and of deadlines may differ in their last digits.
_SLACK = 0.001


class Renew(Protocol):
    """What `Store.renew` and `LeaseStore.extend` have in common."""

    def __call__(self, owner: str, ttl: int, held: Sequence[Held], timeout: float, /) -> Renewed:
        """Renew leases; see `tasker.ports`."""
        ...


OnLost = Callable[[LeaseLost], object]


class _Lease:
    __slots__ = ("deadline", "held", "on_lost")

    def __init__(self, held: Held, deadline: float, on_lost: OnLost) -> None:
        self.held = held
        self.deadline = deadline
        self.on_lost = on_lost


class Renewal:
    """Renews the leases of one owner."""

    def __init__(
        self,
        renew: Renew,
        owner: str,
        ttl: float,
        call_limit: float,
        on_late: Callable[[float, float], object] | None = None,
    ) -> None:
        """Make a renewal that has nothing to do yet.

        Args:
            renew: The operation of the store.
            owner: Who holds the leases.
            ttl: Their length, in seconds.
            call_limit: How long one call may take, in seconds.
            on_late: Called in the renewal's thread when renewing begins to be slow, with the seconds that it took and
                those between two times; `None` logs it.
        """
        self._renew = renew
        self._owner = owner
        self._ttl = ttl
        self._micros = round(ttl * 1_000_000)
        self._margin = min(max(1.0, ttl / 15), ttl / 5)
        self._unconfirmed = f"the store has not confirmed the lease within {ttl - self._margin:g} s"
        self._period = ttl / _TIMES
        self._call_limit = call_limit
        self._on_late = _log_late if on_late is None else on_late
        self.start_afresh()
        _renewals.add(self)

    def start_afresh(self) -> None:
        """Be without leases and without a thread; for a process that was forked, and holds no lease of its parent."""
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}
        self._bell = Bell()
        self._has_thread = False
        self._is_closed = False
        self._asking: Gate | None = None
        self._is_slow = False
        self._next_at = self._looks_at = self._needed_at = 0.0
        self._watchdog: clock.Timer | None = None

    @property
    def is_slow(self) -> bool:
        """Whether the last renewal failed, or took more than a third of the time between two of them.

        It is not while there is nothing to renew: nobody can tell then.
        """
        return self._is_slow and bool(self._leases)

    def deadline_of(self, sent: float) -> float:
        """Return until when a lease can be trusted that was asked for at `sent`, both as `Clock.boottime`."""
        return sent + self._ttl - self._margin

    def add(self, held: Held, sent: float, on_lost: OnLost) -> None:
        """Keep a lease alive; see `add_all`."""
        self.add_all([(held, on_lost)], sent)

    def add_all(self, leases: Sequence[tuple[Held, OnLost]], sent: float) -> None:
        """Keep leases alive that were asked for at `sent` (`Clock.boottime`), until they are removed or lost.

        Those that cannot be trusted any more, as the answer came late or this process stood still, are lost at once,
        and told to be so before this returns: nothing is to begin under them.

        Raises:
            RuntimeError: The system starts no more threads; the leases are not kept alive.
        """
        deadline = self.deadline_of(sent)
        if deadline <= clock.current().boottime():
            # Not taken in first: the renewal's thread might be the one to tell, and not have done so yet.
            for held, on_lost in leases:
                on_lost(_loss(held, self._unconfirmed))
        elif leases:
            self._take_in([_Lease(held, deadline, on_lost) for held, on_lost in leases], sent)

    def _take_in(self, leases: Sequence[_Lease], sent: float) -> None:
        with self._lock:
            if not self._leases:
                self._next_at = sent + self._period
                self._is_slow = False
            if not self._has_thread:
                threads.start("tasker-renewal", self._run)  # it waits for the lock
                self._has_thread = True
            elif self._next_at < self._looks_at:
                self._bell.ring()
            self._needed_at = sent
            self._leases.update((lease.held.id, lease) for lease in leases)

    def remove(self, held: Held) -> None:
        """Let a lease go."""
        with self._lock:
            lease = self._leases.get(held.id)
            if lease is not None and lease.held.token == held.token:
                del self._leases[held.id]

    def close(self) -> None:
        """End the thread; the leases that are left are not renewed any more.

        A call that is under way is waited for, as long as one may take: it would open its connection again in a store
        that is closed meanwhile.
        """
        with self._lock:
            self._is_closed = True
            self._leases.clear()
            asking = self._asking
        self._bell.ring()
        if asking is not None:
            asking.wait(self._call_limit)

    def _run(self) -> None:
        while self._is_needed():
            pause = self._pause()
            if pause > 0:
                self._bell.wait(pause)
            else:
                self._tell_the_late()
                self._renew_all()

    def _is_needed(self) -> bool:
        """Tell whether the thread is to go on; if it ends, the next lease starts another."""
        with self._lock:
            is_idle = self._is_closed or clock.current().boottime() >= self._needed_at + _IDLE_FOR
            self._has_thread = bool(self._leases) or not is_idle
            return self._has_thread

    def _pause(self) -> float:
        """Return the seconds until there may be something to do."""
        with self._lock:
            now = clock.current().boottime()
            # Leases that come and go need not wake the thread if it looks before the first of them is to be renewed.
            next_at = min(self._first_deadline(), self._next_at) if self._leases else now + self._period
            self._looks_at = min(next_at, now + _LOOK_EVERY)
            return self._looks_at - now

    def _first_deadline(self) -> float:
        return min(lease.deadline for lease in self._leases.values())

    def _tell_the_late(self) -> None:
        now = clock.current().boottime()
        with self._lock:
            late = [lease for lease in self._leases.values() if lease.deadline <= now]
        self._lose(late, self._unconfirmed)

    def _renew_all(self) -> None:
        now = clock.current()
        with self._lock:
            sent = now.boottime()
            asked = list(self._leases.values())
            left = self._first_deadline() - sent if asked else 0.0
            if left <= 0 or self._next_at > sent:
                return
            self._asking = Gate()
        reply = self._ask([lease.held for lease in asked], min(self._call_limit, left))
        took = now.boottime() - sent
        with self._lock:
            self._next_at = sent + self._period if reply else now.boottime() + min(_RETRY_AFTER, self._period)
        self._note_pace(took, has_failed=reply is None)
        if reply is not None:
            self._apply(asked, reply, self.deadline_of(sent))

    def _ask(self, asked: Sequence[Held], timeout: float) -> Renewed | None:
        """Call the store; those whose time passes while the call blocks are told by the clock's thread."""
        self._watch()
        try:
            return self._renew(self._owner, self._micros, asked, timeout)
        except StoreUnavailable as error:
            logger.debug("leases could not be renewed: %s", error)
        except Exception:
            # Whatever it is, the leases have their deadlines, and somebody has to keep these.
            if not self._is_slow:
                logger.exception("leases could not be renewed")
        finally:
            with self._lock:
                asking, self._asking = self._asking, None
                watchdog, self._watchdog = self._watchdog, None
            if watchdog is not None:
                watchdog.cancel()
            if asking is not None:
                asking.open()
        return None

    def _watch(self) -> None:
        self._tell_the_late()
        now = clock.current()
        with self._lock:
            if self._asking is not None and self._leases:
                left = max(0.0, self._first_deadline() - now.boottime())
                self._watchdog = now.call_at(now.monotonic() + left + _SLACK, self._watch)

    def _note_pace(self, took: float, *, has_failed: bool) -> None:
        is_late = took > self._period / 3
        if is_late and not self._is_slow:
            self._on_late(took, self._period)
        self._is_slow = is_late or has_failed

    def _apply(self, asked: Sequence[_Lease], reply: Renewed, deadline: float) -> None:
        gone: list[_Lease] = []
        with self._lock:
            for lease in asked:
                if lease.held.id in reply.kept:
                    lease.deadline = deadline
                else:
                    gone.append(lease)
        self._lose(gone, "the store has given the lease to another, or has lost it")

    def _lose(self, leases: Sequence[_Lease], why: str) -> None:
        for lease in leases:
            with self._lock:
                # Let go or replaced in the meantime: no news for anyone.
                is_current = self._leases.get(lease.held.id) is lease
                if is_current:
                    del self._leases[lease.held.id]
            if is_current:
                lease.on_lost(_loss(lease.held, why))


def _loss(held: Held, why: str) -> LeaseLost:
    return LeaseLost(f"{held.id!r}: {why}")


def _log_late(took: float, period: float) -> None:
    logger.warning("renewing leases took %.1f s of the %.1f s between two times", took, period)


_renewals: WeakSet[Renewal] = WeakSet()


def _start_afresh_in_child() -> None:
    for renewal in _renewals:
        renewal.start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
