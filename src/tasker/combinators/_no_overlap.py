"""A task that runs only while nobody else runs it."""

from __future__ import annotations

import logging
from typing import overload

from tasker._core.callables import TaskLike
from tasker._core.context import Context
from tasker._core.decorator import Decorator
from tasker._core.task import Task, to_task
from tasker.errors import Cancelled
from tasker.ports import Locker

logger = logging.getLogger("tasker")


def _with_no_overlap(locker: Locker, task: Task) -> Task:
    def run_if_free(ctx: Context) -> None:
        # A locker is sync, and may belong to the thread that took it: lock, run and unlock in one thread.
        with locker.try_lock(ctx) as locked:
            if locked is None:
                logger.info("%r is skipped: it runs elsewhere", task.name)
                return
            try:
                task.run(locked)
            except Cancelled:
                if ctx.done or locked.cause is None:
                    raise
                raise locked.cause from None

    made = to_task(run_if_free, "with_no_overlap")
    made.children = (task,)
    return made


@overload
def with_no_overlap(locker: Locker) -> Decorator: ...
@overload
def with_no_overlap(locker: Locker, task: TaskLike) -> Task: ...
def with_no_overlap(locker: Locker, task: TaskLike | None = None) -> Task | Decorator:
    """Run a task only if a lock is free now; else skip it, which is no error.

    The task runs under a context that ends with `LeaseLost` when the lock is lost; then that is raised.
    The lock is held, and a worker thread with it, until the task has really returned.

    Args:
        locker: The lock, from a locker factory.
        task: If it is left out, a decorator is returned.

    Raises:
        TypeError: The task cannot be one, or the locker is none.
        LeaseLost: (when run) The lock was lost while the task ran.
    """
    if not callable(getattr(locker, "try_lock", None)):
        hint = "; call its locker_for(key)" if hasattr(locker, "locker_for") else ""
        raise TypeError(f"locker: expected a locker, as from locker_factory.locker_for(key), got {locker!r}{hint}")
    if task is None:
        return Decorator(f"with_no_overlap({locker!r})", lambda given: _with_no_overlap(locker, to_task(given)))
    return _with_no_overlap(locker, to_task(task))
