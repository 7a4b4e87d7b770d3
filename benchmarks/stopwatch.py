"""How long something takes, by the clock and by the processor."""

from __future__ import annotations

import time

from benchmarks.rounds import Figures


class Stopwatch:
    """Runs from when it was made.

    The time of the processor, that of all threads, is what a goal is judged by: other programs hardly change it.
    """

    def __init__(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def per(self, number: float) -> Figures:
        """Return the times so far, divided by a number."""
        wall, cpu = self._begun
        return {"wall": (time.perf_counter() - wall) / number, "CPU": (time.process_time() - cpu) / number}
