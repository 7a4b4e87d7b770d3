"""A task that is run again when it has failed: for a piece of work, and for what is to live for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import overload

from tasker._core import clock
from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context, DerivedContext, cancelled_by
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_task
from tasker._core.waiting import wait_for_end_async
from tasker.combinators._backoff import Backoff
from tasker.combinators._retry_policy import GiveUp, Retry, RetryOn, Tries

logger = logging.getLogger("tasker")

_DEFAULT = Backoff()

OnRetry = Callable[[int, Exception, float], object]
"""Told before each wait: the number of the run that follows, from 1, what the last failed with, and the seconds."""

ContextOfRun = Callable[[Context, int], DerivedContext]
"""Derives the context of a run from that of all of them and the number of the run, from 0."""


class _Retrying(Task):
    def __init__(self, task: Task, policy: Retry, on_retry: OnRetry | None, context_of: ContextOfRun) -> None:
        super().__init__(_name_of(policy), [task])
        self.starting = self.children
        self._task = task
        self._policy = policy
        self._on_retry = on_retry
        self._context_of = context_of

    async def _body(self, ctx: Context) -> None:
        tries = Tries(self._policy, self._task.name)
        while (seconds := await self._run_once(ctx, tries)) is not None:
            if await wait_for_end_async(ctx, seconds):
                raise cancelled_by(ctx.cause)

    async def _run_once(self, ctx: Context, tries: Tries) -> float | None:
        """Run the task; return the seconds to wait for the next run if it has failed, `None` if it succeeded."""
        now = clock.current()
        began = now.monotonic()
        try:
            # What a run has derived or registered and left behind ends with it, not with the last of them all.
            with self._context_of(ctx, tries.runs) as inner:
                await perform(self._task, inner)
        except Exception as error:
            ended = now.monotonic()
            decision = tries.decide(error, ended, ended - began, 0.0 if ctx.done else ctx.remaining())
            if isinstance(decision, GiveUp):
                if decision.note:
                    error.add_note(decision.note)
                raise
            if self._on_retry is not None:
                self._on_retry(tries.runs, error, decision.seconds)
            else:
                message = "%r failed (%s), and is run again in %.3g s"
                logger.warning(message, self._task.name, decision.counted, decision.seconds, exc_info=error)
            return decision.seconds
        return None


def retrying(
    task: Task, policy: Retry, *, on_retry: OnRetry | None = None, context_of: ContextOfRun | None = None
) -> Task:
    """Make the task of `with_retry`, for other parts of the library, which may want to know of its runs.

    Args:
        task: What is run.
        policy: How it is run again.
        on_retry: Called on the event loop before each wait, instead of a line in the log; it must not block. What it
            raises ends the task.
        context_of: Gives each run its context, which is closed at the end of the run; called on the event loop too.
    """
    return _Retrying(task, policy, on_retry, context_of or _context_of)


@overload
def with_retry(
    task: None = None,
    *,
    attempts: int | None = 5,
    on: RetryOn = Exception,
    backoff: Backoff = ...,
    within: Duration | None = None,
) -> Decorator: ...
@overload
def with_retry(
    task: TaskLike,
    *,
    attempts: int | None = 5,
    on: RetryOn = Exception,
    backoff: Backoff = ...,
    within: Duration | None = None,
) -> Task: ...
def with_retry(
    task: TaskLike | None = None,
    *,
    attempts: int | None = 5,
    on: RetryOn = Exception,
    backoff: Backoff = _DEFAULT,
    within: Duration | None = None,
) -> Task | Decorator:
    """Run a task again when it has failed, after a wait; a task that returns is done.

    After `attempts` runs the error of the last one is raised, and how many there were is noted on it. So is, at once,
    an error that is not in `on`, one that comes when the context has ended, and one after which the context ends before
    the next run would start. Each failure that is followed by another run is logged as a warning, with its traceback.

    When the context ends during a wait, the wait ends too, and what leaves is `Cancelled`: a stop in between is no
    failure. A cancellation is never retried, nor is `LeaseLost`, `SystemExit` or `KeyboardInterrupt`.

    Each run has a context of its own, which ends with it.

    Args:
        task: Anything that can be a task; if it is left out, a decorator is returned.
        attempts: How often it is run at most, the first run included; `None` means without limit.
        on: Which errors are worth another run: a type, several in a tuple, or a function that says so of an error and
            does not block. A group of errors matches types if every error in it does.
        backoff: How long to wait before the next run.
        within: Give up at the failure that makes `attempts` within so long, however many came before that: for tasks
            that live for ever. If the waits are so long that this many never fit, it is never given up. `None` means
            that all failures count.

    Raises:
        TypeError: The task cannot be one, or an argument is of the wrong type.
        ValueError: A number is out of its range.
        Exception: (when run) What the last run failed with.
        Cancelled: (when run) The context ended.
    """
    policy = Retry(attempts=attempts, on=on, backoff=backoff, within=within)
    if task is None:
        return Decorator(f"with_retry({policy!r})", lambda given: retrying(to_task(given), policy))
    return retrying(to_task(task), policy)


def _context_of(ctx: Context, number: int) -> DerivedContext:
    del number  # nobody asked to be told
    return DerivedContext(ctx, ctx._values, ctx._deadline)


def _name_of(policy: Retry) -> str:
    if policy.attempts is None:
        return "with_retry without limit"
    times = f"with_retry up to {policy.attempts} times"
    return times if policy.within is None else f"{times} within {seconds_of(policy.within, 'within'):g} s"
