"""Making schedules known to the store: when they join, once a day, and when their rows may have changed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from tasker._core import clock
from tasker.ports import Definition, Local, Registered, Store
from tasker.scheduler._entry import Entry
from tasker.scheduler._link import Link
from tasker.scheduler._roster import Roster
from tasker.scheduler._trimming import Trimming

_AT_MOST = 1_000
_EVERY = 24 * 3600.0
# What rings no bell is that somebody has repaired a row, or that a newer version has left it.
_READ_AGAIN_EVERY = 5.0


class Registration:
    """Which schedules are to be registered, and when all of them are again. It belongs to the driver's thread.

    Attributes:
        on_failure: Called when a schedule does not work, with the error.
    """

    def __init__(self, store: Store, link: Link, roster: Roster, trimming: Trimming) -> None:
        """Have nothing to register yet."""
        self._store = store
        self._link = link
        self._roster = roster
        self._trimming = trimming
        self._takes = 0 if isinstance(store, Local) else round(store.call_limit * 1_000_000)
        self._waiting: dict[str, Entry] = {}
        self._all_again_at = clock.current().boottime() + _EVERY
        self._read_again_at = math.inf
        self.on_failure: Callable[[Entry, BaseException], object] = _nobody

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, id: str) -> bool:
        return id in self._waiting

    @property
    def next_at(self) -> float:
        """When there is something to do by itself, as `Clock.boottime`."""
        return min(self._all_again_at, self._read_again_at)

    def add(self, entry: Entry) -> None:
        """Register an entry as soon as that can be done, and so read its row."""
        self._waiting[entry.id] = entry

    def discard(self, id: str) -> None:
        """Register an entry no more."""
        self._waiting.pop(id, None)

    def read_again(self) -> None:
        """Read the rows that are left alone again in a while: what is wrong with them may be repaired."""
        self._read_again_at = clock.current().boottime() + _READ_AGAIN_EVERY

    def go_on(self) -> Iterator[Registered]:
        """Register all that waits, and yield what the store says of it; whoever is told may have more to register.

        Raises:
            StoreUnavailable: The store did not answer; what waits goes on waiting.
        """
        self._add_again()
        while self._waiting:
            chunk = list(islice(self._waiting.values(), _AT_MOST))
            now = self._link.now()
            definitions = [definition for entry in chunk if (definition := self._define(entry, now)) is not None]
            registered = self._link.ask("register", partial(self._store.register, definitions))
            for entry in chunk:
                self.discard(entry.id)
            yield registered

    def _add_again(self) -> None:
        """Say once a day that these schedules are still run by somebody, so that nobody purges them."""
        now = clock.current().boottime()
        is_daily = now >= self._all_again_at
        if is_daily:
            self._all_again_at = now + _EVERY
        if is_daily or now >= self._read_again_at:
            self._read_again_at = math.inf
            for entry in self._roster:
                if (is_daily or entry.is_ignored) and not entry.is_leaving:
                    self.add(entry)
                if is_daily:
                    self._trimming.note_age(entry)

    def _define(self, entry: Entry, now: int) -> Definition | None:
        plan = entry.definition
        try:
            next_slot = plan.next_after(now)
            if next_slot is not None and next_slot <= now + self._takes:
                # It may come before the store has answered, and is not run then: nobody should wait for it in vain.
                next_slot = plan.next_after(now + self._takes) or next_slot
            # Thousands of schedules often have few texts.
            return Definition(entry.id, sys.intern(str(plan)), next_slot)
        except Exception as error:  # noqa: BLE001 - a schedule that does not work ends its own entry only
            self.on_failure(entry, error)
            return None


def _nobody(entry: Entry, error: BaseException) -> None:
    """There is nobody to tell yet."""
