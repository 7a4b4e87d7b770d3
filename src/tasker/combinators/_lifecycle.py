"""What has become of a program under `main`: whether all of it has started, whether it stops, whether its loop turns.

Health checks ask it; they find it through the context, as everything under `main` can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from tasker._core.context import Context
from tasker._core.task import Task

_KEY = object()


class Watched(Protocol):
    """What knows how long a loop has been blocked."""

    def blocked_for(self) -> float:
        """Return the seconds since the loop last turned, if that was noticed; else zero."""
        ...


class Lifecycle:
    """The life of one program, from `main`'s beginning to its end; any thread may ask."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Note how often each task has started before this program.

        Args:
            tasks: What must start before the program counts as started.
        """
        self._tasks = [(task, task.starts) for task in _that_count(tasks)]
        self._on_stopping: list[Callable[[], object]] = []
        self.watch: Watched | None = None
        """What watches the loop, once there is one."""
        self.stopping: str | None = None
        """Why it stops; `None` while it does not. It is set once, before the contexts end."""

    def under(self, ctx: Context) -> Context:
        """Derive the context through which all that runs under it finds this."""
        return ctx.with_value(_KEY, self)

    def on_stopping(self, callback: Callable[[], object]) -> None:
        """Have something called when the program begins to stop, in any thread; it must be quick and not block."""
        self._on_stopping.append(callback)

    def stop(self, why: str) -> None:
        """Note that the program stops; only the first reason counts."""
        if self.stopping is None:
            self.stopping = why
            for callback in self._on_stopping:
                callback()

    def not_started(self) -> list[str]:
        """Return the names of the tasks that have not started yet."""
        self._tasks = [(task, before) for task, before in self._tasks if task.starts == before]
        names = (task.starting[0].name if task.starting else task.name for task, _ in self._tasks)
        return list(dict.fromkeys(names))

    def blocked_for(self) -> float:
        """Return for how many seconds the event loop has been blocked, if that was noticed; else zero."""
        return 0.0 if self.watch is None else self.watch.blocked_for()


def lifecycle_of(ctx: Context) -> Lifecycle | None:
    """Return the life of the program that a context belongs to; `None` if it does not run under `main`."""
    found: Lifecycle | None = ctx.value(_KEY)
    return found


def _that_count(tasks: Iterable[Task]) -> Iterator[Task]:
    for task in tasks:
        if task.counts_starts:
            yield task
        yield from _that_count(task.starting)
