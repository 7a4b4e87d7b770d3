"""Logs made up by hand, to see what the checker finds in them.

One is written as one line a line: seconds, actor, event, and what there is to say about the key `job`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.fault.harness.checker import violations
from tests.fault.harness.log import Line

SECOND = 1_000_000
RULES = {
    "lease": 3 * SECOND,
    "margin": SECOND // 2,
    "bound": SECOND,
    "hears": 2 * SECOND,
    "again": 10 * SECOND,
    "attempts": 3,
}
# By the clock of the store it is so much later than by that of the machine.
STORE = 1000 * SECOND
NUMBERS = {"slot", "sent", "now", "until", "through", "defined", "decided", "since", "requested", "started"}
OF_STORE = NUMBERS - {"sent", "since"}
# What is so in most lines is left out.
USUAL: Mapping[str, Mapping[str, object]] = {
    "granted": {"manual": False, "requested": None},
    "started": {"manual": False, "is_stubborn": False},
    "record": {"manual": False, "reason": None},
    "state": {"manual": False, "slot": None},
}


def line_of(text: str) -> Line:
    m, actor, event, *rest = text.split()
    facts: dict[str, object] = {**USUAL.get(event, {})}
    token = 0
    for part in rest:
        name, _, value = part.partition("=")
        if name == "token":
            token = int(value)
        else:
            facts[name] = value_of(name, value)
    return Line(round(float(m) * SECOND), actor, event, "job", token, facts)


def value_of(name: str, text: str) -> object:
    if text in {"None", "True", "False"}:
        return {"None": None, "True": True, "False": False}[text]
    if name == "step":
        return round(float(text) * SECOND)
    if name in NUMBERS:
        return round(float(text) * SECOND) + STORE * (name in OF_STORE)
    return int(text) if text.isdigit() else text


def log_of(text: str) -> list[Line]:
    lines = [line_of(each) for each in text.strip().splitlines()]
    return [Line(0, "runner", "rules", facts=RULES), *sorted(lines, key=lambda line: line.m)]


def changed(log: str, *added: str, without: str = "", instead: tuple[str, str] | None = None) -> list[Line]:
    """Return a log with more lines, without those that begin so, and with a text instead of another."""
    lines = [each for each in log.strip().splitlines() if not (without and each.startswith(without))]
    text = "\n".join([*lines, *added])
    if instead is not None:
        assert instead[0] in text
        text = text.replace(*instead)
    return log_of(text)


def found(lines: list[Line]) -> set[tuple[str, str]]:
    return {(violation.rule, violation.what) for violation in violations(lines)}
