"""What people wished of a cluster, and what came of it, as the log has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fault.harness.log import Line


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that was asked for.

    Attributes:
        asked: When it was.
        answer: What came of it; `None` if the log does not say that.
    """

    asked: Line
    answer: Line | None

    @property
    def act(self) -> str:
        return str(self.asked["act"])

    @property
    def is_certain(self) -> bool:
        """Whether it was carried out before its answer; otherwise that may be at any later time, or never."""
        return self.answer is not None and self.answer.event == "fulfilled"

    @property
    def now(self) -> int:
        """When a certain one was carried out, by the store's clock."""
        return int(self.lines[-1]["now"])

    @property
    def lines(self) -> list[Line]:
        return [line for line in (self.asked, self.answer) if line is not None]

    def is_of(self, whom: str) -> bool:
        """Tell whether it is about this schedule or instance."""
        return self.asked["of"] in {None, whom}


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which something was certainly on: from the answer to a wish, to the next wish that ends it."""

    begin: Wish
    end: Wish | None

    @property
    def since(self) -> int:
        return self.begin.lines[-1].m

    def is_before_end(self, m: int) -> bool:
        return self.end is None or m < self.end.asked.m

    @property
    def lines(self) -> list[Line]:
        return [*self.begin.lines, *([] if self.end is None else self.end.lines)]


def wishes_in(lines: Sequence[Line]) -> Sequence[Wish]:
    """Return all wishes that were not in vain, in the order in which they were asked."""
    answers = {(line.actor, line["sent"]): line for line in lines if line.event in {"fulfilled", "doubtful", "vain"}}
    wishes = [Wish(line, answers.get((line.actor, line.m))) for line in lines if line.event == "wished"]
    return [wish for wish in wishes if wish.answer is None or wish.answer.event != "vain"]


def periods(wishes: Sequence[Wish], whom: str, on: str, off: str) -> Iterator[Period]:
    """Yield when something was certainly on for a schedule or an instance: one act turns it on, and one off."""
    begin = None
    for wish in wishes:
        if not wish.is_of(whom):
            continue
        if wish.act == on and wish.is_certain:
            begin = begin or wish
        elif wish.act == off and begin is not None:
            yield Period(begin, wish)
            begin = None
    if begin is not None:
        yield Period(begin, None)


def unexplained(lines: Sequence[Line], name: str, wishes: Sequence[Wish]) -> Iterator[Line]:
    """Yield the lines that have an instant which is none of a wish: each doubtful one may explain one instant."""
    known: set[Any] = {wish.now for wish in wishes if wish.is_certain}
    doubtful = [wish for wish in wishes if not wish.is_certain]
    for line in sorted(lines, key=lambda line: line.m):
        if line[name] in known:
            continue
        known.add(line[name])
        asked_before = [wish for wish in doubtful if wish.asked.m < line.m]
        if asked_before:
            doubtful.remove(asked_before[0])
        else:
            yield line
