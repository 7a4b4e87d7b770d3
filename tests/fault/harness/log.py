"""The log that everybody writes to: instances, the resource that they write to, and whoever breaks things.

One line is one `os.write` to a file that is only appended to, so lines of several processes never mix. The clock is
`CLOCK_MONOTONIC`, which all processes of a machine share, and which is never set; the store's own clock stands beside
it where a reply brought it. All times are whole microseconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """One event.

    Attributes:
        m: When it was written, by the clock of the machine.
        actor: Who wrote it.
        event: What happened.
        key: The schedule that it is about.
        token: The fencing token that it is about.
        facts: What else there is to say.
    """

    m: int
    actor: str
    event: str
    key: str = ""
    token: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def told(self, since: int) -> str:
        """Return the line for people, its time in seconds since another one."""
        parts = [f"{(self.m - since) / 1_000_000:+10.6f}", f"{self.actor:10}", self.event, self.key]
        parts += [f"token={self.token}"] if self.token else []
        parts += [f"{name}={value}" for name, value in self.facts.items()]
        return " ".join(part for part in parts if part)


class Log:
    """One writer's way to the log; any thread may use it."""

    def __init__(self, path: Path, actor: str) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        self._actor = actor

    def write(self, event: str, key: str = "", token: int = 0, **facts: Any) -> int:
        """Write a line, and return its time."""
        m = now()
        line = json.dumps({"m": m, "actor": self._actor, "event": event, "key": key, "token": token, **facts})
        data = f"{line}\n".encode()
        assert len(data) <= _LONGEST, line
        os.write(self._file, data)
        return m

    def close(self) -> None:
        os.close(self._file)


def now() -> int:
    """Return the time by the clock of the machine."""
    return time.monotonic_ns() // 1000


def read(path: Path, offset: int = 0) -> Sequence[Line]:
    """Return all lines from a place in the file on, in the order of their times."""
    lines = []
    with path.open("rb") as file:
        file.seek(offset)
        texts = file.read().splitlines()
    for text in texts:
        facts = json.loads(text)
        m, actor, event = facts.pop("m"), facts.pop("actor"), facts.pop("event")
        lines.append(Line(m, actor, event, facts.pop("key"), facts.pop("token"), facts))
    return sorted(lines, key=lambda line: line.m)
