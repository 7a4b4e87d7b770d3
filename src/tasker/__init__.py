"""Run plain functions as a service: together, repeated, scheduled once across instances, and stopped gracefully."""

from typing import TYPE_CHECKING

import tasker.schedule as schedule  # noqa: PLR0402 - the package does not import from itself
from tasker._core.callables import Runnable, TaskLike
from tasker._core.context import CancelContext, Context, DerivedContext, current_context
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration
from tasker._core.task import Task, run, to_task
from tasker.combinators import (
    Background,
    Backoff,
    Retry,
    RetryOn,
    background,
    concurrence,
    ignore_error,
    main,
    on_error,
    sequence,
    with_grace,
    with_no_overlap,
    with_repeat,
    with_retry,
    with_shutdown,
    with_signal_notify,
    with_timeout,
)
from tasker.errors import (
    Cancelled,
    CommandFailed,
    DeadlineExceeded,
    LeaseLost,
    ProcessDied,
    ShutdownTimeout,
    StaleToken,
    StoreUnavailable,
    TaskerError,
)
from tasker.scheduler import Run, Scheduler

if TYPE_CHECKING:
    from tasker.serve import command, in_process

__all__ = [
    "Background",
    "Backoff",
    "CancelContext",
    "Cancelled",
    "CommandFailed",
    "Context",
    "DeadlineExceeded",
    "Decorator",
    "DerivedContext",
    "Duration",
    "LeaseLost",
    "ProcessDied",
    "Retry",
    "RetryOn",
    "Run",
    "Runnable",
    "Scheduler",
    "ShutdownTimeout",
    "StaleToken",
    "StoreUnavailable",
    "Task",
    "TaskLike",
    "TaskerError",
    "background",
    "command",
    "concurrence",
    "current_context",
    "ignore_error",
    "in_process",
    "main",
    "on_error",
    "run",
    "schedule",
    "sequence",
    "to_task",
    "with_grace",
    "with_no_overlap",
    "with_repeat",
    "with_retry",
    "with_shutdown",
    "with_signal_notify",
    "with_timeout",
]

if not TYPE_CHECKING:  # or a checker would believe that there is every name

    def __getattr__(name: str) -> object:
        """Import what not every program needs when it is first asked for, so that `import tasker` stays quick."""
        if name in {"command", "in_process"}:
            import tasker.serve as serve  # noqa: PLC0415, PLR0402 - the package does not import from itself

            return getattr(serve, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
