"""Several instances of an application, each a process of its own: started, killed, restarted and stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

from tests._support.processes import LIMIT, Program

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "process" / "programs"

IS_BACK = "INFO tasker: the store of"
"""What an instance writes of its store only when this is back: that it is away mentions that word as well."""

_IS_AWAY = "WARNING tasker: the store of"
T = TypeVar("T")
_POLL = 0.05
_NO_COMPLAINTS = (
    "received SIG",
    "renewing leases took",
    "is taken over",
    "has not been seen",
    "INFO tasker: instance ",
    "INFO tasker: skipped ",
    "has ended: interrupted",
    "did not answer within",
    "is back",
)


class Cluster:
    """Instances of one program; a context manager that kills those that still run at the end.

    Attributes:
        running: The instances that were started and not ended.
        killed: The processes that were killed.
    """

    def __init__(self, program: Path, *arguments: str) -> None:
        """Start nothing yet.

        Args:
            program: What each instance runs; it may import `tests`.
            arguments: What each finds in `sys.argv`.
        """
        self.running: list[Program] = []
        self.killed: set[int] = set()
        self._program = program
        self._arguments = arguments
        self._all: list[Program] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, count: int = 1, **variables: str) -> Sequence[Program]:
        """Start more instances, in an environment with these variables, without waiting for what they do."""
        started = [start(self._stack, self._program, *self._arguments, **variables) for _ in range(count)]
        self.running += started
        self._all += started
        return started

    def with_pid(self, pid: int) -> Program:
        """Return the running instance that is this process."""
        return next(instance for instance in self.running if instance.pid == pid)

    def kill(self, instance: Program) -> None:
        """Kill an instance without a word, and wait until it is gone."""
        self.killed.add(instance.pid)
        self.running.remove(instance)
        instance.signal(signal.SIGKILL)
        assert instance.wait() == -signal.SIGKILL

    def stop(self, within: float) -> None:
        """Ask all instances at once to stop, and check that each does so in time and in peace."""
        for instance in self.running:
            instance.signal(signal.SIGTERM)
        for instance in self.running:
            instance.ends_with(0, within=within)
        self.running = []

    def complaints(self) -> list[str]:
        """Return what instances wrote to standard error, but for what a stop and a slow machine give rise to."""
        lines = [line for instance in self._all for line in instance.err.splitlines()]
        return [line for line in lines if not any(part in line for part in _NO_COMPLAINTS)]


def news(program: Program) -> tuple[int, int]:
    """Return how often an instance has said that its store is away, and that it is back."""
    return program.err.count(_IS_AWAY), program.err.count(IS_BACK)


def start(stack: ExitStack, program: Path, *arguments: str, **variables: str) -> Program:
    """Start a program that may import `tests`, in an environment with these variables, until the stack is closed."""
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])), **variables}
    prefix = ["env", *(f"{name}={value}" for name, value in variables.items())]
    return stack.enter_context(Program(program, *arguments, prefix=prefix))


def until(find: Callable[[], T], what: str, limit: float = LIMIT) -> T:
    """Look again and again until there is something to see, and return it."""
    end = time.monotonic() + limit
    while not (found := find()):
        assert time.monotonic() < end, f"in vain waited until {what}"
        time.sleep(_POLL)
    return found
