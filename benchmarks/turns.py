"""What the benchmarks of the stores share: batches that are claimed and ended in turn, and a rate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from tasker.ports import Ending, Grant, Outcome, Proposal, Store

OWNER = "5e0d8e0a-95f7-4dd8-8d0b-1f5f1f9ce7ab"
TTL = 15_000_000


class Turns:
    """Claims the next batch of ids and ends its runs, at each call."""

    def __init__(self, store: Store, ids: list[str], batch: int) -> None:
        """Begin with the first ids."""
        self._store = store
        self._ids = ids
        self._batch = batch
        self._begin = 0
        self._times: tuple[list[float], list[float]] = ([], [])

    def __call__(self) -> int:
        """Return how many runs that were."""
        ids = self._ids[self._begin : self._begin + self._batch]
        self._begin = (self._begin + self._batch) % (len(self._ids) - self._batch)
        slot = time.time_ns() // 1_000 - 1_000
        begun = time.perf_counter()
        grants = self._store.claim(OWNER, TTL, len(ids), [Proposal(id, slot) for id in ids]).grants
        claimed = time.perf_counter()
        answers = self._store.finish(OWNER, [ending(grant) for grant in grants]).answers
        self._times[0].append(claimed - begun)
        self._times[1].append(time.perf_counter() - claimed)
        assert len(grants) == len(answers)
        return len(answers)

    @property
    def claiming(self) -> float:
        """Milliseconds of the median claim."""
        return statistics.median(self._times[0]) * 1000

    @property
    def ending(self) -> float:
        """Milliseconds of the median finish."""
        return statistics.median(self._times[1]) * 1000


def ending(grant: Grant) -> Ending:
    """Return a success."""
    return Ending(
        id=grant.id,
        token=grant.token,
        outcome=Outcome.SUCCEEDED,
        through=grant.slot,
        next_slot=grant.slot + 1_000_000,
    )


def rate(step: Callable[[], int], seconds: float) -> float:
    """Repeat a step for a while and return how many things it did a second."""
    count = 0
    begun = time.perf_counter()
    while (elapsed := time.perf_counter() - begun) < seconds:
        count += step()
    return count / elapsed
