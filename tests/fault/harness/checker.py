"""Judges a log: which promises were broken, each with the fewest lines that show it.

It knows nothing of the harness, and nothing of the product but what it promises: lines in, violations out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.fault.harness.log import Line
from tests.fault.harness.rules_of_leases import LEASE_RULES
from tests.fault.harness.rules_of_people import PEOPLE_RULES
from tests.fault.harness.rules_of_recovery import RECOVERY_RULES
from tests.fault.harness.rules_of_slots import SLOT_RULES
from tests.fault.harness.story import Story, span

RULES = {**LEASE_RULES, **SLOT_RULES, **PEOPLE_RULES, **RECOVERY_RULES}


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise.

    Attributes:
        rule: The name of the rule, for machines.
        what: What was wrong, in words.
        lines: The part of the log that shows it.
    """

    rule: str
    what: str
    lines: Sequence[Line]

    def __str__(self) -> str:
        since = self.lines[0].m if self.lines else 0
        return "\n".join((f"{self.rule}: {self.what}", *(f"    {line.told(since)}" for line in self.lines)))


def violations(lines: Sequence[Line]) -> Sequence[Violation]:
    """Return every way in which what is logged broke a promise."""
    if not any(line.event == "rules" for line in lines):
        return [Violation("log", "it does not say by which rules it is to be judged", ())]
    story = Story(lines)
    return [Violation(name, what, span(proof)) for name, rule in RULES.items() for what, proof in rule(story)]


def told(found: Iterable[Violation]) -> str:
    """Return violations for people."""
    return "\n".join(map(str, found))
