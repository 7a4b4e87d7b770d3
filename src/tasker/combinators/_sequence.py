"""Tasks one after another."""

from __future__ import annotations

from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context
from tasker._core.task import Task, to_tasks


class _Sequence(Task):
    counts_starts = True

    def __init__(self, tasks: list[Task]) -> None:
        super().__init__("sequence", tasks)
        self.runs_in_one_thread = all(task.runs_in_one_thread for task in tasks)
        self.starting = self.children[-1:]

    async def _body(self, ctx: Context) -> None:
        # Each task looks at the context itself before it starts.
        for task in self.children[:-1]:
            await perform(task, ctx)
        self.starts += 1  # with its last task: those before prepare what it needs
        for task in self.starting:
            await perform(task, ctx)


def sequence(*tasks: TaskLike) -> Task:
    """Run tasks one after another.

    The next starts only if the one before succeeded; a failure ends the sequence and is raised. When the context ends
    in between, the rest are not started.

    Args:
        tasks: Anything that can be a task.

    Raises:
        TypeError: One of them cannot be a task.
        Cancelled: (when run) The context ended, and a task left because of it or was not started.
    """
    return _Sequence(to_tasks(tasks))
