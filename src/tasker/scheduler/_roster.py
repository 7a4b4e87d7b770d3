"""Who runs here: one entry for each id, and those that wait until the one before them has left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tasker.scheduler._entry import Entry


class Roster:
    """The entries of one scheduler, from joining to the moment when their hosts hear that they have left.

    It belongs to the driver's thread.
    """

    def __init__(self) -> None:
        """Make an empty roster."""
        self._entries: dict[str, Entry] = {}
        self._leaving: dict[str, Entry] = {}
        self._gone: list[Entry] = []
        self._successors: dict[str, deque[Entry]] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __getitem__(self, id: str) -> Entry:
        return self._entries[id]

    def get(self, id: str) -> Entry | None:
        """Return the entry that has an id, if there is one."""
        return self._entries.get(id)

    @property
    def is_empty(self) -> bool:
        """Whether all entries have left."""
        return not self._entries

    @property
    def has_leaving(self) -> bool:
        """Whether an entry is to leave as soon as it can."""
        return bool(self._leaving)

    def join(self, entry: Entry) -> bool:
        """Take an entry in, or let it wait for the one that has its id; tell whether it is in."""
        if self._entries.setdefault(entry.id, entry) is entry:
            return True
        self._successors.setdefault(entry.id, deque()).append(entry)
        return False

    def leave(self, entry: Entry) -> bool:
        """Let an entry leave as soon as it has no run; tell whether that is news of one that is in."""
        waiting = self._successors.get(entry.id)
        if waiting and entry in waiting:
            waiting.remove(entry)
            entry.host.left(entry, None)
        if self._entries.get(entry.id) is not entry or entry.is_leaving:
            return False
        entry.is_leaving = True
        self._leaving[entry.id] = entry
        return True

    def part(self) -> list[Entry]:
        """Take out those that are to leave and have no run, and return them; their hosts are to hear of it."""
        parted = [entry for entry in self._leaving.values() if entry.active is None]
        for entry in parted:
            del self._leaving[entry.id], self._entries[entry.id]
        self._gone.extend(parted)
        return parted

    def successor(self, id: str) -> Entry | None:
        """Take the entry that has waited longest for an id, if there is one and nobody has that id."""
        waiting = self._successors.get(id)
        return waiting.popleft() if waiting and id not in self._entries else None

    def tell_hosts(self) -> None:
        """Tell of the entries that have left."""
        gone, self._gone = self._gone, []
        for entry in gone:
            entry.host.left(entry, entry.error)
