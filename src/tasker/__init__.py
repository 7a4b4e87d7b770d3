"""Run plain functions as a service: together, repeated, scheduled once across instances, and stopped gracefully."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tasker.schedule as schedule  # noqa: PLR0402 - the package does not import from itself
    from tasker._core.callables import Runnable, TaskLike
    from tasker._core.context import CancelContext, Context, DerivedContext, current_context
    from tasker._core.decorator import Decorator
    from tasker._core.durations import Duration
    from tasker._core.task import Task, run, to_task
    from tasker.combinators._background import Background, background
    from tasker.combinators._backoff import Backoff
    from tasker.combinators._concurrence import concurrence
    from tasker.combinators._failures import ignore_error, on_error
    from tasker.combinators._grace import with_grace
    from tasker.combinators._main import main
    from tasker.combinators._no_overlap import with_no_overlap
    from tasker.combinators._repeat import with_repeat
    from tasker.combinators._retry import with_retry
    from tasker.combinators._retry_policy import Retry, RetryOn
    from tasker.combinators._sequence import sequence
    from tasker.combinators._shutdown import with_shutdown
    from tasker.combinators._signals import with_signal_notify
    from tasker.combinators._timeout import with_timeout
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
    # Everything is imported when it is first asked for: a program pays for what it uses, and `import tasker` for
    # nothing. What checkers see above and what programs get here are compared by a test.
    _HOMES = {
        "tasker._core.callables": ("Runnable", "TaskLike"),
        "tasker._core.context": ("CancelContext", "Context", "DerivedContext", "current_context"),
        "tasker._core.decorator": ("Decorator",),
        "tasker._core.durations": ("Duration",),
        "tasker._core.task": ("Task", "run", "to_task"),
        "tasker.combinators._background": ("Background", "background"),
        "tasker.combinators._backoff": ("Backoff",),
        "tasker.combinators._concurrence": ("concurrence",),
        "tasker.combinators._failures": ("ignore_error", "on_error"),
        "tasker.combinators._grace": ("with_grace",),
        "tasker.combinators._main": ("main",),
        "tasker.combinators._no_overlap": ("with_no_overlap",),
        "tasker.combinators._repeat": ("with_repeat",),
        "tasker.combinators._retry": ("with_retry",),
        "tasker.combinators._retry_policy": ("Retry", "RetryOn"),
        "tasker.combinators._sequence": ("sequence",),
        "tasker.combinators._shutdown": ("with_shutdown",),
        "tasker.combinators._signals": ("with_signal_notify",),
        "tasker.combinators._timeout": ("with_timeout",),
        "tasker.errors": (
            "Cancelled",
            "CommandFailed",
            "DeadlineExceeded",
            "LeaseLost",
            "ProcessDied",
            "ShutdownTimeout",
            "StaleToken",
            "StoreUnavailable",
            "TaskerError",
        ),
        "tasker.scheduler": ("Run", "Scheduler"),
        "tasker.serve": ("command", "in_process"),
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for, and keep it."""
        from importlib import import_module  # noqa: PLC0415 - only needed here, and not free

        if name == "schedule":
            return import_module("tasker.schedule")
        for module, names in _HOMES.items():
            if name in names:
                globals()[name] = value = getattr(import_module(module), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Return what there is, whether it was imported already or not."""
        return sorted({*globals(), *__all__})
