"""A place for an instance: its way to the store, its clock, and the process that is in it now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests._support.cluster import ROOT, start
from tests._support.faketime import find_faketime, wrong_as_said_in
from tests._support.processes import Program
from tests._support.proxy import Proxy, Way
from tests.fault.harness.plan import WITH_POOL, WITH_WRONG_CLOCK

if TYPE_CHECKING:
    from tests.fault.harness.arena import Arena

_PROGRAM = ROOT / "tests" / "fault" / "harness" / "instance.py"
_POLL = 0.01
_ARMED_FOR = 4.0


class Seat:
    """One of the instances, over all its lives.

    Attributes:
        number: Which one.
        actor: What the log calls the process that is in it now.
        way: The proxy before the store; `None` if that is a file.
    """

    def __init__(self, number: int, arena: Arena, folder: Path, options: Sequence[str]) -> None:
        self.number = number
        self.way: Proxy | None = None
        self._arena = arena
        self._options = options
        self._lives = 0
        self._clock = folder / f"clock of {number}"
        self._program: Program | None = None
        self.set_clock(0)

    @property
    def actor(self) -> str:
        return f"i{self.number}.{self._lives}"

    @property
    def program(self) -> Program:
        assert self._program is not None
        return self._program

    def open_way(self) -> None:
        """Put a proxy before the server, if there is one."""
        if self._arena.backend.port is not None:
            self.way = self._arena.stack.enter_context(Proxy(self._arena.backend.port))

    def start(self) -> None:
        """Start a new process, without waiting for it."""
        self._lives += 1
        arena = self._arena
        options = [f"--resource={arena.resource.port}", f"--lease={arena.lease}", *self._options]
        options += ["--pooled"] if self.number == WITH_POOL else []
        url = arena.backend.url(self.way.port if self.way else None)
        self._program = start(arena.stack, _PROGRAM, url, str(arena.path), self.actor, *options, **self._variables())
        arena.programs[self.actor] = self._program

    def note_end(self, *, wanted: int) -> None:
        """Wait until the process has ended, and write down how."""
        status = self.program.wait()
        self._arena.log.write("ended", instance=self.actor, status=status, wanted=wanted)

    def say(self, order: str) -> None:
        """Give the process an order, if it still listens."""
        try:
            self.program.say(order)
        except BrokenPipeError:
            pass

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock of the process be wrong by so much, from now on, if that can be done."""
        new = self._clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._clock)

    def is_stopped(self) -> bool:
        """Tell whether the process is frozen, or gone."""
        try:
            status = Path(f"/proc/{self.program.pid}/stat").read_text()
        except OSError:
            return True
        return status.rpartition(")")[2].split()[0] in {"T", "Z"}

    def stops_at(self, point: str) -> bool:
        """Let the process freeze when it comes to a point, and tell whether it did so within some time."""
        self.say(f"stop at: {point}")
        end = time.monotonic() + _ARMED_FOR
        while not self.is_stopped():
            if time.monotonic() > end:
                self.say("stop at: nowhere")
                return False
            time.sleep(_POLL)
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, unless it is gone."""
        if not self.program.has_ended:
            os.kill(self.program.pid, number)

    def recover(self) -> None:
        """Undo what may still be in the way of the process."""
        if self.way is not None:
            self.way.way(Way.OPEN)
            self.way.delay = 0.0
        self.say("stop at: nowhere")
        self.set_clock(0)
        # It may stop until it has heard that it shall not.
        for _ in range(20):
            self.send(signal.SIGCONT)
            time.sleep(_POLL)

    def _variables(self) -> dict[str, str]:
        library = find_faketime()
        if library is None or self.number != WITH_WRONG_CLOCK or self._arena.backend.port is None:
            return {}
        return wrong_as_said_in(library, self._clock)
