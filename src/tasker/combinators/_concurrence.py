"""Tasks at the same time."""

from __future__ import annotations

from tasker._core.callables import TaskLike
from tasker._core.context import Context, Scope
from tasker._core.task import Task, to_tasks
from tasker.combinators._group import Group


class _Concurrence(Task):
    def __init__(self, tasks: list[Task]) -> None:
        super().__init__("concurrence", tasks)
        self.starting = self.children

    async def _body(self, ctx: Context) -> None:
        with Scope(ctx) as scope:
            await Group(scope).run(self.children)


def concurrence(*tasks: TaskLike) -> Task:
    """Run tasks at the same time, and wait for all of them.

    The first failure ends the context of the others; so does `SystemExit` or `KeyboardInterrupt` in a task, which is
    raised bare when all have ended.

    Args:
        tasks: Anything that can be a task.

    Raises:
        TypeError: One of them cannot be a task.
        ExceptionGroup: (when run) Tasks failed; always a group, even of one; cancellations are not in it.
        Cancelled: (when run) The context ended, and a task left because of it or was not started.
    """
    return _Concurrence(to_tasks(tasks))
