"""What the lines of a log say about each lease: when it was asked for, trusted, given up, and what its task did.

A lease is trusted from the reply that gave it until the moment at which its last successful request was *sent*, plus
its length, less the margin; never from a reply. A process that did not run, because it was frozen or because the
machine had no time for it, can neither notice nor do anything: it writes down such stalls itself, and they do not
count where the question is whether it was quick enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tests.fault.harness.log import Line
from tests.fault.harness.wishes import Wish, wishes_in


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run promises, as its log says in its first line; in microseconds.

    Attributes:
        lease: The length of a lease.
        margin: How long before its end it is not trusted any more.
        bound: How long a process that runs may take to notice something.
        hears: How long a process that runs may take to hear what people have asked of it.
        again: How long after the last fault everything must have run again.
        attempts: How often a slot is started, at most, that is never answered for.
    """

    lease: int
    margin: int
    bound: int
    hears: int
    again: int
    attempts: int


@dataclass
class Lease:
    """All lines about one token of one key."""

    granted: Line
    kept: list[Line] = field(default_factory=list)
    started: Line | None = None
    steps: list[Line] = field(default_factory=list)
    told: Line | None = None
    returned: Line | None = None
    finishes: list[Line] = field(default_factory=list)
    answers: list[Line] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.granted.key

    @property
    def token(self) -> int:
        return self.granted.token

    @property
    def actor(self) -> str:
        return self.granted.actor


class Story:
    """The whole log, sorted out."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.rules = next(Rules(**line.facts) for line in lines if line.event == "rules")
        self.by_event: dict[str, list[Line]] = defaultdict(list)
        self.leases: dict[tuple[str, int], Lease] = {}
        self.orphans: list[Line] = []
        for line in lines:
            self.by_event[line.event].append(line)
            if line.event == "granted":
                # A token that is given twice is another rule's business.
                self.leases.setdefault((line.key, line.token), Lease(line))
        for line in lines:
            self._sort(line)
        self._stalls: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for line in self.by_event["stall"]:
            self._stalls[line.actor].append((line["since"], line.m))
        self._last = {line.actor: line for line in lines}

    @cached_property
    def by_key(self) -> dict[str, list[Lease]]:
        """The leases of each key, in the order of their grants."""
        found: dict[str, list[Lease]] = defaultdict(list)
        for lease in sorted(self.leases.values(), key=lambda lease: lease.granted.m):
            found[lease.key].append(lease)
        return found

    @cached_property
    def records(self) -> dict[str, list[Line]]:
        """The history of each key, as the store had it at the end, the oldest first."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.by_event["record"]:
            found[line.key].append(line)
        return found

    @cached_property
    def steps(self) -> dict[str, int]:
        """How far apart the slots of each schedule are."""
        return {line.key: line["step"] for line in self.by_event["schedule"]}

    def runs_all(self, key: str) -> bool:
        """Tell whether no slot of a schedule may be skipped for a run or for an absence."""
        return any(line["runs_all"] for line in self.by_event["schedule"] if line.key == key)

    @cached_property
    def grants_by_actor(self) -> dict[str, list[Line]]:
        """What each instance was given, in that order."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.by_event["granted"]:
            found[line.actor].append(line)
        return found

    @cached_property
    def wishes(self) -> Sequence[Wish]:
        """What people asked for."""
        return wishes_in(self.lines)

    def trusted(self, lease: Lease) -> tuple[int, list[Line]]:
        """Return until when a lease was trusted, and the lines that say so."""
        until, proof = self._deadline(lease)
        ends = [line for line in (lease.told, *lease.finishes[:1]) if line is not None and line.m < until]
        return (min(line.m for line in ends), [lease.granted]) if ends else (until, proof)

    def _deadline(self, lease: Lease) -> tuple[int, list[Line]]:
        worth = self.rules.lease - self.rules.margin
        proof = [lease.granted]
        until = lease.granted["sent"] + worth
        for line in lease.kept:
            sent = line["sent"]
            if sent > until and sent > self.after(lease.actor, until, 0):
                break  # asked for too late: whoever believes the reply is wrong
            until, proof = max(until, sent + worth), [lease.granted, line]
        return until, proof

    def after(self, actor: str, m: int, run: int) -> int:
        """Return the time at which an actor has run for so long since `m`."""
        for since, until in self._stalls[actor]:
            if until <= m:
                continue
            if max(since, m) >= m + run:
                break
            run -= max(0, since - m)
            m = until
        return m + run

    def is_alive_after(self, actor: str, m: int) -> bool:
        """Tell whether an actor wrote anything later."""
        return actor in self._last and self._last[actor].m > m

    def _sort(self, line: Line) -> None:
        if line.event not in {"kept", "started", "step", "told", "returned", "finish", "answered"}:
            return
        lease = self.leases.get((line.key, line.token))
        if lease is None:
            self.orphans.append(line)
            return
        match line.event:
            case "kept":
                lease.kept.append(line)
            case "started":
                lease.started = line
            case "step":
                lease.steps.append(line)
            case "told":
                lease.told = lease.told or line
            case "returned":
                lease.returned = line
            case "finish":
                lease.finishes.append(line)
            case _:
                lease.answers.append(line)


def span(lines: Iterable[Line]) -> Sequence[Line]:
    """Return these lines in the order of their times, each once."""
    return sorted({id(line): line for line in lines}.values(), key=lambda line: line.m)
