"""What leaves a task, as those above it see it.

A task that leaves with a cancellation after its context has ended left cleanly, and what leaves it then is a new
`Cancelled`. Any other error is a failure; so is a cancellation that comes while the context has not ended, except one
that was asked for from outside, natively.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from typing import cast

from tasker._core.context import Context, cancelled_by
from tasker.errors import Cancelled

Outcome = BaseException | None
"""How a task ended: `None` if it succeeded, else what leaves it."""


def leaving(error: BaseException, ctx: Context, name: str) -> BaseException:
    """Return what leaves the task `name`, whose function raised `error` under `ctx`."""
    if ctx.cause is None and isinstance(error, Cancelled):
        ctx._catch_up()  # it may come from a context above
    cause = ctx.cause
    if cause is not None and _is_clean(error, cause):
        return cancelled_by(cause)
    if isinstance(error, CancelledError) and _is_asked_from_outside():
        return error
    if isinstance(error, (Cancelled, CancelledError)):
        return _failure(f"{name!r} left with {type(error).__name__} although its context has not ended", error)
    if isinstance(error, StopIteration):
        return _failure(f"{name!r} raised StopIteration", error)
    return error


def is_cancellation(outcome: Outcome) -> bool:
    """Whether a task ended because it was told to, not because it failed."""
    return isinstance(outcome, (Cancelled, CancelledError))


def members_of(error: BaseException) -> tuple[BaseException, ...] | None:
    """Return the exceptions in a group, or `None` for an exception that is no group."""
    if not isinstance(error, BaseExceptionGroup):
        return None
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def _is_clean(error: BaseException, cause: BaseException) -> bool:
    if error is cause:
        # It is shared by all that stop because of it; what it gathered on its way through this task would pile up.
        error.__traceback__ = None
        return True
    if isinstance(error, (Cancelled, CancelledError)):
        return True
    members = members_of(error)
    return members is not None and all(_is_clean(each, cause) for each in members)


def _is_asked_from_outside() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # a worker thread
    return task is not None and task.cancelling() > 0


def _failure(text: str, error: BaseException) -> RuntimeError:
    failure = RuntimeError(text)
    failure.__cause__ = error
    return failure
