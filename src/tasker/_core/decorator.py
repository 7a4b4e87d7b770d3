"""What a combinator returns when its task is left out: a decorator, which is no task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasker._core.callables import TaskLike
    from tasker._core.task import Task


class Decorator:
    """Waits for the task that a combinator was not given; used as `@with_timeout(5)`."""

    def __init__(self, text: str, build: Callable[[TaskLike], Task]) -> None:
        """Not for use outside: returned by combinators.

        Args:
            text: How the call reads, for messages.
            build: Makes the task.
        """
        self._text = text
        self._build = build

    def __call__(self, task: TaskLike) -> Task:
        """Return the task that the combinator makes of `task`."""
        return self._build(task)

    def __repr__(self) -> str:
        return f"<decorator {self._text}>"
