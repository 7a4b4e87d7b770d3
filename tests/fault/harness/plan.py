"""The plan of faults: which, for whom, and for how long, all of it from a seed and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests._support.proxy import Way
from tests.fault.harness.observed import POINTS
from tests.fault.harness.schedules import SCHEDULES

INSTANCES = 3
WITH_WRONG_CLOCK = 2
WITH_POOL = 0
_POINTS_AT_ONCE = 4

OF_INSTANCES = (
    "killed",
    "frozen",
    "frozen for a moment",
    "stopped",
    "loop blocked",
    *(f"frozen {point}" for point in POINTS),
    *(f"killed {point}" for point in POINTS),
)
OF_CLOCKS = ("clock ahead", "clock behind")
OF_POOLS = ("pool exhausted",)
OF_WAYS = (*(f"way {way.value}" for way in Way if way is not Way.OPEN), "way slow", "way reset", "way cut once")

OF_SCHEDULES = ("paused", "paused and triggered", "triggered")
OF_PEOPLE = (*OF_SCHEDULES, "all paused", "all triggered", "drained")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, or something that people do.

    Attributes:
        kind: What happens.
        target: To which instance, to the way of which, or to which schedule; `None`: to all of them, or to the server.
        seconds: For how long, if it lasts.
    """

    kind: str
    target: int | None
    seconds: float

    def __str__(self) -> str:
        of = "schedule" if self.kind in OF_SCHEDULES else "instance"
        whom = "all" if self.target is None else f"{of} {self.target}"
        return f"{self.kind}, {whom}, {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Step:
    """Faults that come together, and how long there is none after they have ended."""

    faults: Sequence[Fault]
    pause: float


def kinds_for(backend: str, injuries: Sequence[str]) -> Sequence[str]:
    """Return the faults that there are for a kind of store, whose server can be injured so."""
    if backend == "sqlite":  # its clock is that of the machine, and there is no way to it
        return [*OF_INSTANCES, *OF_PEOPLE, *injuries]
    of_pools = OF_POOLS if backend == "postgresql" else ()
    return [*OF_INSTANCES, *OF_PEOPLE, *OF_CLOCKS, *of_pools, *OF_WAYS, *injuries]


def each_once(kinds: Sequence[str], seed: int, lease: float) -> Iterator[Step]:
    """Yield every kind of fault once, two at a time; of those at a point of the code, some."""
    draw = random.Random(seed)
    at_points = {kind for kind in kinds if kind.endswith(POINTS)}
    left = draw.sample([kind for kind in kinds if kind not in at_points], len(kinds) - len(at_points))
    left += draw.sample(sorted(at_points), _POINTS_AT_ONCE)
    left.sort(key=_is_of_server)  # so that no two of these come together: they are the last, and fewer than half
    while left:
        some, left = [left[0], *left[:0:-1][:1]], left[1:-1]
        yield _step(some, draw, lease, longest_pause=0.5)


def endless(kinds: Sequence[str], seed: int, lease: float) -> Iterator[Step]:
    """Yield faults for ever, one to three at a time, of which one at most is the server's; people act every other time.

    What they do may come before the faults, and after them.
    """
    draw = random.Random(seed)
    faults = [kind for kind in kinds if kind not in OF_PEOPLE]
    others = [kind for kind in faults if not _is_of_server(kind)]
    while True:
        some = draw.sample(others, draw.randint(0, 2))
        some += draw.sample([kind for kind in faults if kind not in some], 1)
        some += draw.sample(OF_PEOPLE, draw.randint(0, 1))
        yield _step(draw.sample(some, len(some)), draw, lease, longest_pause=2 * lease)


def _is_of_server(kind: str) -> bool:
    return kind not in {*OF_INSTANCES, *OF_PEOPLE, *OF_CLOCKS, *OF_POOLS, *OF_WAYS}


def _step(kinds: Sequence[str], draw: random.Random, lease: float, longest_pause: float) -> Step:
    targets = draw.sample(range(INSTANCES), INSTANCES)
    faults = [
        _act(kind, draw, lease) if kind in OF_PEOPLE else _fault(kind, targets.pop(), draw, lease) for kind in kinds
    ]
    return Step(faults, draw.uniform(0.1, longest_pause))


def _act(kind: str, draw: random.Random, lease: float) -> Fault:
    if kind == "drained":  # it has to hear of it first
        return Fault(kind, draw.randrange(INSTANCES), draw.uniform(2.5, 3.5) * lease)
    return Fault(kind, draw.randrange(len(SCHEDULES)) if kind in OF_SCHEDULES else None, draw.uniform(0.5, 2.0) * lease)


def _fault(kind: str, target: int, draw: random.Random, lease: float) -> Fault:
    match kind:
        case "frozen for a moment":
            return Fault(kind, target, draw.uniform(0.2, 0.6) * lease)
        case "frozen":
            return Fault(kind, target, draw.uniform(1.1, 1.6) * lease)
        case "clock ahead" | "clock behind":
            return Fault(kind, WITH_WRONG_CLOCK, draw.uniform(0.5, 1.0) * lease)
        case "pool exhausted":
            return Fault(kind, WITH_POOL, draw.uniform(0.5, 1.5) * lease)
    seconds = draw.uniform(0.3, 1.6) * lease
    if kind in OF_WAYS:
        return Fault(kind, draw.choice((target, None)), seconds)
    return Fault(kind, target if kind in OF_INSTANCES else None, seconds)
