"""Several instances of an application in one process: schedulers on one store, each on a way to it that can be cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest

import tasker
from tasker import Context, Run, Scheduler
from tasker._core import clock
from tasker._core.waiting import Gate
from tasker.errors import DeadlineExceeded, StoreUnavailable
from tasker.ports import Store
from tasker.store import memory
from tests._support.slots import said


class SteadyStore(memory.Store):
    """A memory store with a clock of its own: the wall clock of its callers may jump."""

    def __init__(self) -> None:
        super().__init__(keep=10_000)
        self._began = clock.current().time() - clock.current().boottime()

    def _now(self) -> int:
        return round((self._began + clock.current().boottime()) * 1_000_000)


class Way:
    """The way of one instance to a store.

    Attributes:
        is_cut: Nothing gets through; the caller hears so at once.
        is_silent: Nothing gets through, and the caller waits for its limit.
        loses: The operations that are done, but whose answers are lost.
        refuses: What each operation raises instead of being done.
        delays: How long each operation takes, by name; it is done half-way.
        calls: The operations and when they were called.
    """

    # It is a way to another machine, and a silent one.
    on_ring: Any = None
    listen: Any = None

    def __init__(self, store: memory.Store, call_limit: float = 3.0) -> None:
        self.store = store
        self.call_limit = call_limit
        self.is_cut = False
        self.is_silent = False
        self.loses: set[str] = set()
        self.refuses: Exception | None = None
        self.delays: dict[str, float] = {}
        self.calls: list[tuple[str, float]] = []

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    def called(self, name: str) -> list[float]:
        return [when for called, when in self.calls if called == name]

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        self.calls.append((name, clock.current().boottime()))
        if self.refuses is not None:
            raise self.refuses
        if self.is_silent:
            Gate().wait(min(self.call_limit, arguments[-1]) if name == "renew" else self.call_limit)
            raise StoreUnavailable("no answer")
        if self.is_cut:
            raise StoreUnavailable("connection refused")
        delay = self.delays.get(name, 0)
        if delay:
            Gate().wait(delay / 2)
        answer = getattr(self.store, name)(*arguments, **named)
        if delay:
            Gate().wait(delay / 2)
        if name in self.loses:
            raise StoreUnavailable("the answer was lost")
        return answer


def scheduler_on(way: Way, **options: Any) -> Scheduler:
    """Return the scheduler of an instance whose store is at the end of a way."""
    return Scheduler(cast("Store", way), **options)


@dataclass(frozen=True)
class Started:
    """One run, as a task that a test schedules notes it."""

    instance: str
    slot: str | None
    attempt: int
    token: int
    at: float

    def __str__(self) -> str:
        again = f" attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{self.instance} {self.slot}{again}"


class Journal:
    """What tasks note of their runs."""

    def __init__(self) -> None:
        self.started: list[Started] = []
        self.seen: list[str] = []

    def note(self, instance: str = "") -> None:
        run = Run.current()
        micros = round(run.slot.timestamp() * 1_000_000)
        when = clock.current().boottime()
        self.started.append(Started(instance, said(micros), run.attempt, run.fencing_token, when))

    def noting(self, instance: str = "", *, seconds: float = 0) -> Callable[[Context], None]:
        """Return a task that notes its start, and then takes so long."""

        def work(ctx: Context) -> None:
            self.note(instance)
            if seconds:
                ctx.sleep(seconds)

        return work

    def lines(self) -> list[str]:
        return [str(each) for each in self.started]

    def slots(self) -> list[str | None]:
        return [each.slot for each in self.started]


@pytest.fixture
def journal() -> Journal:
    """What the tasks of a test note."""
    return Journal()


def stopped_after(seconds: float, task: tasker.TaskLike) -> tasker.Task:
    """Return a task that is asked to stop after so long, and has then done what was wanted of it."""
    return tasker.ignore_error(tasker.with_timeout(seconds, task), DeadlineExceeded)


def run_for(seconds: float, *tasks: tasker.TaskLike) -> None:
    """Run tasks at the same time for so long, in virtual time."""
    tasker.run(stopped_after(seconds, tasker.concurrence(*tasks)))


def after(seconds: float, act: Callable[[], object]) -> Callable[[Context], None]:
    """Return a task that does something after so long."""

    def wait_and_act(ctx: Context) -> None:
        ctx.sleep(seconds)
        act()

    return wait_and_act


def records(store: memory.Store, id: str = "job") -> list[str]:
    """Return the history of a schedule as texts, the oldest first."""
    return [
        " ".join(
            [
                str(record.outcome) + (f"({record.reason})" if record.reason else ""),
                str(said(record.slot)),
                *([f"until {said(record.until)}, {record.count}"] if record.until is not None else []),
                *([f"attempt {record.attempt}"] if record.attempt > 1 else []),
            ]
        )
        for record in reversed(store.history(id, 10_000))
    ]
