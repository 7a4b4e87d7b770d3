"""When to look at which entry next: one heap, whatever the number of schedules."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasker.scheduler._entry import Entry


class Agenda:
    """A heap of entries by the time to look at them, in microseconds by the store's clock.

    Of those that are due at the same time, each instance has an order of its own, so that several that take a part of
    them at once take different ones. An entry that is put again leaves its old place behind, which is passed over, and
    cleared away with others of its kind when they are more than half of the heap. It belongs to the driver's thread.
    """

    _FEW = 100

    def __init__(self) -> None:
        """Make an empty agenda."""
        self._heap: list[tuple[int, int, Entry]] = []
        self._passed_over = 0

    def put(self, entry: Entry, when: int | None) -> None:
        """Look at the entry then, and not at another time; `None`: not by itself."""
        if entry.due == when:
            return
        if entry.due is not None:
            self._passed_over += 1
            self._clear()
        entry.due = when
        if when is not None:
            heapq.heappush(self._heap, (when, entry.order, entry))

    def next_time(self) -> int | None:
        """Return when there is something to look at."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
            self._passed_over -= 1
        return self._heap[0][0] if self._heap else None

    def take(self, now: int, most: int) -> list[Entry]:
        """Take out the entries whose time has come, the earliest first, and not more than `most`."""
        taken: list[Entry] = []
        heap = self._heap
        while heap and heap[0][0] <= now and len(taken) < most:
            when, _, entry = heapq.heappop(heap)
            if entry.due == when:
                entry.due = None
                taken.append(entry)
            else:
                self._passed_over -= 1
        return taken

    def _clear(self) -> None:
        if self._passed_over > self._FEW and self._passed_over * 2 > len(self._heap):
            entries = {place[2] for place in self._heap}
            self._heap = [(entry.due, entry.order, entry) for entry in entries if entry.due is not None]
            heapq.heapify(self._heap)
            self._passed_over = 0
