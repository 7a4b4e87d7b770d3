"""Run plain functions as a service: together, repeated, scheduled once across instances, and stopped gracefully."""

import tasker.schedule as schedule  # noqa: PLR0402 - the package does not import from itself
from tasker._core.callables import Runnable, TaskLike
from tasker._core.context import CancelContext, Context, DerivedContext, current_context
from tasker._core.decorator import Decorator
from tasker._core.durations import Duration
from tasker._core.task import Task, run, to_task
from tasker.combinators import (
    concurrence,
    ignore_error,
    main,
    on_error,
    sequence,
    with_no_overlap,
    with_repeat,
    with_shutdown,
    with_signal_notify,
    with_timeout,
)
from tasker.errors import (
    Cancelled,
    DeadlineExceeded,
    LeaseLost,
    ShutdownTimeout,
    StaleToken,
    StoreUnavailable,
    TaskerError,
)
from tasker.scheduler import Run, Scheduler

__all__ = [
    "CancelContext",
    "Cancelled",
    "Context",
    "DeadlineExceeded",
    "Decorator",
    "DerivedContext",
    "Duration",
    "LeaseLost",
    "Run",
    "Runnable",
    "Scheduler",
    "ShutdownTimeout",
    "StaleToken",
    "StoreUnavailable",
    "Task",
    "TaskLike",
    "TaskerError",
    "concurrence",
    "current_context",
    "ignore_error",
    "main",
    "on_error",
    "run",
    "schedule",
    "sequence",
    "to_task",
    "with_no_overlap",
    "with_repeat",
    "with_shutdown",
    "with_signal_notify",
    "with_timeout",
]
