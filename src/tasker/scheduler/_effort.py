"""How long and how often a run tries to do what it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tasker._core.context import Context, DerivedContext
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task
from tasker.combinators._retry import retrying
from tasker.combinators._retry_policy import Retry
from tasker.combinators._timeout import with_timeout
from tasker.scheduler._run import RUN

OnRetry = Callable[[int, Exception, float], object]
"""Told on the event loop: the number of the retry, from 1, what failed, and the seconds until it begins."""


@dataclass(frozen=True, slots=True)
class Effort:
    """The limit of a run and its retries; the limit is one for all of them.

    Attributes:
        limit: How many seconds a run may take; `None`: as many as it likes.
        retry: How it is retried; `None`: not at all.
    """

    limit: float | None
    retry: Retry | None

    @staticmethod
    def of(timeout: Duration | None, retry: Retry | None) -> Effort:
        """Check what the user gave.

        Raises:
            TypeError: One of them is something else.
            ValueError: The timeout is not positive.
        """
        if not (retry is None or isinstance(retry, Retry)):
            raise TypeError(f"retry: expected a Retry, as in Retry(attempts=3), or None, got {retry!r}")
        limit = None if timeout is None else seconds_of(timeout, "timeout", positive=True)
        return _ONCE if limit is None and retry is None else Effort(limit, retry)

    def around(self, task: Task, on_retry: OnRetry) -> Task:
        """Return what a run of the task is; for a task without limits and retries, that is the task."""
        if self.retry is not None:
            task = retrying(task, self.retry, on_retry=on_retry, context_of=_context_of_try)
        return task if self.limit is None else with_timeout(self.limit, task)


_ONCE = Effort(None, None)


def _context_of_try(ctx: Context, number: int) -> DerivedContext:
    return ctx.with_value(RUN, partial(ctx.value(RUN), retry=number))
