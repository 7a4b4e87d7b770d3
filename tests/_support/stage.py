"""Instances of an application on one store, each a process of its own, and the log that their runs share."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tasker.ports import RunRecord
from tests._support.cluster import ROOT, start, until
from tests._support.cluster_journal import Work
from tests._support.cluster_judge import Evidence, Rules, problems
from tests._support.opening import store_at
from tests._support.processes import Program

INSTANCE = ROOT / "tests" / "fault" / "programs" / "instance.py"
LEASE = 2.0
STEP = 0.5
_MICRO = 1_000_000


@dataclass(frozen=True)
class Note:
    """A line of the log: what a process did, when by the monotonic clock, and in which run."""

    at: float
    pid: int
    what: str
    detail: str = ""
    id: str = ""
    slot: int = 0
    attempt: int = 0
    token: int = 0
    owner: str = ""


class Stage:
    """Where instances run; a context manager that kills those that still run at the end."""

    def __init__(self, url: str, log: Path) -> None:
        """Start nothing yet; the instances use the store at the URL."""
        self.running: list[Program] = []
        self._url = url
        self._log = log
        self._log.touch()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.running:
            program.signal(signal.SIGCONT)
        self._stack.close()

    def start(self, *arguments: str, url: str | None = None, **variables: str) -> Program:
        """Start an instance with these arguments and in an environment with these variables.

        Args:
            arguments: See the program.
            url: Its way to the store, if it is another one.
            variables: What its environment has in addition.
        """
        program = start(self._stack, INSTANCE, str(self._log), url or self._url, *arguments, **variables)
        self.running.append(program)
        return program

    def stop(self, *programs: Program) -> None:
        """Ask instances (all, if none is named) to stop, and check that each does so in peace."""
        stopping = programs or tuple(self.running)
        for program in stopping:
            program.signal(signal.SIGTERM)
        for program in stopping:
            program.ends_with(0, within=LEASE + 3)
            self.running.remove(program)

    def ended(self, program: Program) -> None:
        """Wait until an instance has been killed."""
        assert program.wait() == -signal.SIGKILL
        self.running.remove(program)

    def notes(
        self, what: str | None = None, *, of: Program | None = None, id: str | None = None, after: float = 0
    ) -> list[Note]:
        """Return the lines of the log, as far as they are asked for, in the order in which they were written."""
        lines = self._log.read_text().splitlines()
        return [
            note
            for note in (Note(**json.loads(line)) for line in lines)
            if what in (None, note.what) and (of is None or note.pid == of.pid) and id in (None, note.id)
            if note.at > after
        ]

    def wait(
        self,
        what: str,
        *,
        of: Program | None = None,
        id: str | None = None,
        times: int = 1,
        after: float | None = None,
    ) -> Note:
        """Wait until the log has so many such lines from now on (or after that time), and return the last of these."""
        since = time.monotonic() if after is None else after
        return until(lambda: self.notes(what, of=of, id=id, after=since)[times - 1 :], f"{what} {id or ''}")[0]

    def seen(self, what: str, *, of: Program | None = None, id: str | None = None) -> Note:
        """Wait until the log has such a line, however old, and return the first."""
        return until(lambda: self.notes(what, of=of, id=id), f"{what} {id or ''}")[0]

    def is_at_work(self, program: Program) -> bool:
        """Tell whether the last that is known of an instance is that a run goes on."""
        return self.notes(of=program)[-1:] != [] and self.notes(of=program)[-1].what == "wrote"

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        until(lambda: bool(condition()), what)

    @staticmethod
    def rest(seconds: float) -> None:
        """Let time pass in which something is not to happen."""
        time.sleep(seconds)

    def stale(self) -> list[Note]:
        """Return the writes that a resource refuses which looks at tokens."""
        highest: dict[str, int] = {}
        stale = []
        for note in self.notes("wrote"):
            if note.token < highest.get(note.id, 0):
                stale.append(note)
            highest[note.id] = max(note.token, highest.get(note.id, 0))
        return stale

    def knows(self, id: str) -> bool:
        """Tell whether the store knows a schedule."""
        with closing(store_at(self._url, 10)) as store:
            return store.states([id]) != ()

    def history(self, id: str = "job") -> list[RunRecord]:
        """Return what the store has recorded of a schedule, the oldest first."""
        with closing(store_at(self._url, 10)) as store:
            return list(reversed(store.history(id, 10_000)))

    def attempts(self, slot: int, id: str = "job") -> list[str]:
        """Return how the attempts at a slot ended, the first one first."""
        return [str(record.outcome) for record in self.history(id) if record.slot == slot and record.attempt]

    def problems(self, *, lost: Iterable[Program] = ()) -> list[str]:
        """Return every promise that was broken, in words; for when all instances have stopped.

        Args:
            lost: The instances that had a reason to lose leases.
        """
        pids = {program.pid for program in lost}
        sound = {note.owner for note in self.notes("began") if note.pid not in pids}
        works = self._works()
        found = []
        with closing(store_at(self._url, 10)) as store:
            states = store.states()
        for state in states:
            records = self.history(state.id)
            # Whoever was lost before it could write anything has no line in the log.
            owners = {record.owner for record in records if record.owner is not None} - sound
            rules = Rules(step=round(STEP * _MICRO), lease=round(LEASE * _MICRO), killed=owners)
            mine = [work for work in works if work.id == state.id]
            found += problems(Evidence(state=state, records=records, works=mine), rules)
        return found

    def _works(self) -> list[Work]:
        # Once for all of them: between two looks at the clocks this process may have stood still.
        began = time.time() - time.monotonic()

        def micros(monotonic: float) -> int:
            return round((began + monotonic) * _MICRO)

        ends = {note.token: micros(note.at) for note in self.notes("done")}
        return [
            Work(
                id=note.id,
                slot=note.slot,
                attempt=note.attempt,
                token=note.token,
                owner=note.owner,
                pid=note.pid,
                started=micros(note.at),
                ended=ends.get(note.token),
            )
            for note in self.notes("began")
        ]
