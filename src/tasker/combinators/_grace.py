"""A task that is told of its end before it is canceled."""

from __future__ import annotations

from functools import partial
from typing import overload

from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration, seconds_of
from tasker._core.grace import under_grace
from tasker._core.task import Task, to_task
from tasker.combinators._budget import grace_within


class _Grace(Task):
    def __init__(self, seconds: float, task: Task) -> None:
        super().__init__(f"with_grace {seconds:g} s", [task])
        self.starting = self.children
        self.runs_in_one_thread = task.runs_in_one_thread
        self._seconds = seconds
        self._task = task

    async def _body(self, ctx: Context) -> None:
        with under_grace(ctx, partial(grace_within, ctx, self._seconds)) as inner:
            await perform(self._task, inner)


@overload
def with_grace(duration: Duration) -> Decorator: ...
@overload
def with_grace(duration: Duration, task: TaskLike) -> Task: ...
def with_grace(duration: Duration, task: TaskLike | None = None) -> Task | Decorator:
    """Let a task see the end of its context, and cancel what is async in it only `duration` later.

    Its context ends at once, with that above it. Without a grace an async task is canceled natively at that moment,
    wherever it waits; with one, it can await `ctx.wait_async()`, finish what it is at, and return. Sync tasks, which
    nothing cancels, do not notice; nor is anything else waited for that would not be otherwise.

    It holds for every async task in it, and for every end of their contexts: a signal, a failure beside them, an inner
    `with_timeout`, a cancellation from outside. Of several graces the nearest to a task counts, longer or shorter;
    `with_shutdown` has one of its own. Inside `main` and `background` it is never more than what is left of the time
    for stopping, less a tenth. When a lease is lost there is none: a successor may have begun.

    Args:
        duration: A `timedelta`, or seconds; with zero, tasks are canceled at once, whatever stands further out.
        task: If it is left out, a decorator is returned.

    Raises:
        TypeError: The task cannot be one, or the duration is none.
        ValueError: The duration is negative or not finite.
    """
    seconds = seconds_of(duration, "duration")
    if task is None:
        return Decorator(f"with_grace({duration!r})", lambda given: _Grace(seconds, to_task(given)))
    return _Grace(seconds, to_task(task))
