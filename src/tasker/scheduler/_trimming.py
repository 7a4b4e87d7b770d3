"""Keeping histories short: a few schedules at a time, beside all else."""

from __future__ import annotations

from itertools import islice

from tasker._core import clock
from tasker.ports import Store
from tasker.scheduler._entry import Entry
from tasker.scheduler._link import Link
from tasker.scheduler._settings import Settings

_EVERY = 30.0
# While more waits than one statement takes.
_SOON_AGAIN = 1.0
_AT_MOST = 1_000
# What a store deletes at a time at most: there may be more.
_DELETED_AT_MOST = 10_000
# A history may be longer by this part, so that few are looked at.
_SLACK = 10


class Trimming:
    """Which histories are to be trimmed, in the order in which they grew; it belongs to the driver's thread."""

    def __init__(self, store: Store, link: Link, settings: Settings) -> None:
        """Have nothing to trim yet."""
        self._store = store
        self._link = link
        self._settings = settings
        self._slack = max(1, settings.history // _SLACK)
        self._ids: dict[str, None] = {}
        self._next_at = 0.0

    def note_records(self, entry: Entry, number: int = 1) -> None:
        """Note that a history has grown by so many records."""
        entry.until_trim -= number
        if entry.until_trim <= 0:
            self.note_age(entry)

    def note_age(self, entry: Entry) -> None:
        """Note that a history may have records that are too old, or more of them than this instance knows."""
        entry.until_trim = self._slack
        self._ids[entry.id] = None

    def go_on(self) -> None:
        """Trim what has waited longest, if it is time for that."""
        now = clock.current().boottime()
        if not self._ids or now < self._next_at:
            return
        ids = list(islice(self._ids, _AT_MOST))
        self._next_at = now + (_EVERY if len(ids) == len(self._ids) else _SOON_AGAIN)  # also if it fails
        oldest = self._link.now() - self._settings.history_age
        deleted = self._store.trim(sorted(ids), self._settings.history, oldest)
        for id in ids:
            del self._ids[id]
        if deleted >= _DELETED_AT_MOST:  # some of these may have more
            self._ids |= dict.fromkeys(ids)
            self._next_at = now + _SOON_AGAIN
