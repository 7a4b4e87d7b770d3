"""How much time a run of the benchmarks may take."""

from __future__ import annotations

from typing import NamedTuple


class Effort(NamedTuple):
    """How much is done.

    Attributes:
        rounds: How many rounds are measured of what takes seconds.
        many: How many of what takes milliseconds.
        seconds: How long a load is watched in each round.
    """

    rounds: int
    many: int
    seconds: float


QUICK = Effort(rounds=2, many=15, seconds=3.0)
LONG = Effort(rounds=5, many=41, seconds=6.0)
