"""The slots between two instants."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

from tasker._core.instants import aware, micros_of
from tasker.schedule._narrowed import Narrowed
from tasker.schedule._protocol import Schedule
from tasker.schedule._words import moment


class Window(Narrowed):
    """The slots of a schedule at or after a start and before an end; made by `between`."""

    __slots__ = ("_end", "_start")

    def __init__(self, schedule: Schedule, start: datetime | None, end: datetime | None) -> None:
        super().__init__(schedule)
        self._start = start if start is None else aware(start, "start")
        self._end = end if end is None else aware(end, "end")
        if start is not None and end is not None and micros_of(start) >= micros_of(end):
            raise ValueError(f"end: expected an instant later than start, {start}, got {end}")

    def _counts(self, slot: datetime) -> bool:
        micros = micros_of(slot)
        if self._start is not None and micros < micros_of(self._start):
            return False
        return self._end is None or micros < micros_of(self._end)

    def _opening(self, slot: datetime) -> datetime | None:
        if self._start is not None and micros_of(slot) < micros_of(self._start):
            return self._start
        return None

    def _rebuilt(self, schedule: Schedule) -> Window:
        return Window(schedule, self._start, self._end)

    def _key(self) -> Hashable:
        start = None if self._start is None else micros_of(self._start)
        end = None if self._end is None else micros_of(self._end)
        return (self._schedule, start, end)

    def __repr__(self) -> str:
        return f"{self._schedule!r}.between({self._start!r}, {self._end!r})"

    def __str__(self) -> str:
        text = str(self._schedule)
        if self._start is not None:
            text += f", from {moment(self._start)}"
        return text if self._end is None else f"{text}, until {moment(self._end)}"
