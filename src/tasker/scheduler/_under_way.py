"""The runs under way: granted to this instance, and not recorded yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

from tasker.ports import Ending, Held
from tasker.scheduler._entry import ActiveRun


class UnderWay:
    """The runs of one scheduler from their grant until their end is recorded, or given up.

    It belongs to the driver's thread; any thread may look up a run.
    """

    def __init__(self, most: int) -> None:
        """Begin with none; `most`: how many may be under way at once."""
        self._most = most
        self._runs: dict[str, ActiveRun] = {}
        self._ended: dict[str, ActiveRun] = {}
        self._forgotten: set[Held] = set()
        self.is_urgent = False
        """Whether somebody waits for the recording of an end."""

    def __iter__(self) -> Iterator[ActiveRun]:
        return iter(self._runs.values())

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, id: str) -> ActiveRun | None:
        """Return the run of a schedule, if one is under way; any thread may ask."""
        return self._runs.get(id)

    @property
    def free(self) -> int:
        """How many more may start."""
        return self._most - len(self._runs)

    @property
    def enough(self) -> int:
        """After how many more ends nothing is left to gather: all runs that may go on at once have ended."""
        return sys.maxsize if self.free > 0 else len(self._runs) - len(self._ended)

    @property
    def has_ended(self) -> bool:
        """Whether there is an end to record."""
        return bool(self._ended)

    def add(self, run: ActiveRun) -> None:
        """Take in a run that was granted."""
        self._runs[run.entry.id] = run.entry.active = run

    def end(self, run: ActiveRun, ending: Ending) -> None:
        """Have an end recorded; a slot that is given back is urgent."""
        run.ending = ending
        self._ended[ending.id] = run
        self.is_urgent |= ending.through is None

    def endings(self, most: int) -> list[Ending]:
        """Return the ends that wait longest for being recorded, up to so many."""
        return [run.ending for run in islice(self._ended.values(), most) if run.ending is not None]

    def remove(self, id: str) -> ActiveRun:
        """Take out a run: its end is recorded."""
        run = self._runs.pop(id)
        run.entry.active = None
        self._ended.pop(id, None)
        self.is_urgent &= bool(self._ended)
        return run

    def forget(self, run: ActiveRun) -> None:
        """Take out a run whose end cannot be recorded."""
        self.remove(run.entry.id)
        self._forgotten.add(run.held)

    def is_known(self, held: Held) -> bool:
        """Tell whether a lease is that of a run that did start; also of one that was taken out: its attempt counts."""
        run = self._runs.get(held.id)
        return held in self._forgotten or (run is not None and run.held == held)
