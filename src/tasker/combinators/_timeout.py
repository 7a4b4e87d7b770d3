"""A task that may take only so long."""

from __future__ import annotations

from typing import overload

from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context, Scope
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_task
from tasker.errors import Cancelled, DeadlineExceeded


class _Timeout(Task):
    def __init__(self, seconds: float, task: Task) -> None:
        super().__init__(f"with_timeout {seconds:g} s", [task])
        self.starting = self.children
        self.runs_in_one_thread = task.runs_in_one_thread
        self._seconds = seconds
        self._task = task

    async def _body(self, ctx: Context) -> None:
        with Scope(ctx, self._seconds) as scope:
            left = None
            try:
                await perform(self._task, scope.ctx)
            except Cancelled as error:
                left = error
            is_too_late = scope.ctx.cause is not None and scope.ctx.cause is not ctx.cause
        if is_too_late:
            raise DeadlineExceeded(f"{self._task.name!r} took longer than {self._seconds:g} s") from None
        if left is not None:
            raise left


@overload
def with_timeout(duration: Duration) -> Decorator: ...
@overload
def with_timeout(duration: Duration, task: TaskLike) -> Task: ...
def with_timeout(duration: Duration, task: TaskLike | None = None) -> Task | Decorator:
    """Let a task run for `duration` at most.

    Then its context ends, it is waited for, and `DeadlineExceeded` is raised, even if it returned in the end.
    A failure of its own is raised instead; if the outer context ended first, it is `Cancelled`.

    Args:
        duration: A `timedelta`, or seconds; with zero the task is not started.
        task: If it is left out, a decorator is returned.

    Raises:
        TypeError: The task cannot be one, or the duration is none.
        ValueError: The duration is negative or not finite.
        DeadlineExceeded: (when run) The task took longer.
    """
    seconds = seconds_of(duration, "duration")
    if task is None:
        return Decorator(f"with_timeout({duration!r})", lambda given: _Timeout(seconds, to_task(given)))
    return _Timeout(seconds, to_task(task))
