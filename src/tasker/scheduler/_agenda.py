"""When to look at which entry next: one heap, whatever the number of schedules."""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasker.scheduler._entry import Entry

_BITS = 24
_PLACES = 1 << _BITS


class Agenda:
    """A heap of entries by the time to look at them, in microseconds by the store's clock.

    The heap holds no entries, but numbers: the time, and in the lower bits the place of the entry. They are compared
    faster than tuples, and the garbage collector does not walk through them.

    Of those that are due at the same time, each instance has an order of its own, so that several that take a part of
    them at once take different ones. An entry that is put again leaves its old number behind, which is passed over, and
    cleared away with others of its kind when they are more than half of the heap. It belongs to the driver's thread.
    """

    _FEW = 100

    def __init__(self) -> None:
        """Make an empty agenda."""
        self._heap: list[int] = []
        self._passed_over = 0
        self._entries: list[Entry | None] = []
        self._vacant: list[int] = []
        # Times an odd number, places next to each other come to lie anywhere; times its inverse, they come back.
        self._first = random.getrandbits(_BITS)
        self._scatter = random.getrandbits(_BITS) | 1
        self._gather = pow(self._scatter, -1, _PLACES)

    def add(self, entry: Entry) -> None:
        """Give an entry its place."""
        if self._vacant:
            index = self._vacant.pop()
            self._entries[index] = entry
        else:
            index = len(self._entries)
            self._entries.append(entry)
        entry.place = (self._first + index * self._scatter) % _PLACES

    def remove(self, entry: Entry) -> None:
        """Take its place from an entry."""
        self.put(entry, None)
        index = self._index(entry.place)
        self._entries[index] = None
        self._vacant.append(index)

    def put(self, entry: Entry, when: int | None) -> None:
        """Look at the entry then, and not at another time; `None`: not by itself."""
        due = None if when is None else when << _BITS | entry.place
        if entry.due == due:
            return
        if entry.due is not None:
            self._passed_over += 1
            self._clear()
        entry.due = due
        if due is not None:
            heapq.heappush(self._heap, due)

    def next_time(self) -> int | None:
        """Return when there is something to look at."""
        heap = self._heap
        while heap and self._entry_due(heap[0]) is None:
            heapq.heappop(heap)
            self._passed_over -= 1
        return heap[0] >> _BITS if heap else None

    def take(self, now: int, few: int, old: int, most: int) -> list[Entry]:
        """Take out entries whose time has come, the earliest first: `few`, or up to `most` if it had come by `old`."""
        taken: list[Entry] = []
        heap = self._heap
        while heap and len(taken) < most and heap[0] >> _BITS <= (now if len(taken) < few else old):
            entry = self._entry_due(heapq.heappop(heap))
            if entry is None:
                self._passed_over -= 1
            else:
                entry.due = None
                taken.append(entry)
        return taken

    def _entry_due(self, due: int) -> Entry | None:
        """Return the entry that is due then; none, if it was put elsewhere."""
        entry = self._entries[self._index(due)]
        return entry if entry is not None and entry.due == due else None

    def _index(self, due: int) -> int:
        return (due - self._first) * self._gather % _PLACES

    def _clear(self) -> None:
        if self._passed_over > self._FEW and self._passed_over * 2 > len(self._heap):
            self._heap = list({due for due in self._heap if self._entry_due(due) is not None})
            heapq.heapify(self._heap)
            self._passed_over = 0
