"""Every error that tasker raises, in one shallow tree.

```text
BaseException
└── Cancelled                 the context ended and the task left because of it
Exception
├── TimeoutError
│   └── DeadlineExceeded      a deadline of tasker's passed
├── TaskerError               what tasker reports about itself
│   ├── ShutdownTimeout       tasks were still running when the grace was over
│   ├── LeaseLost             the lease of a run or a lock is gone
│   ├── CommandFailed         a command exited with a status that means failure
│   ├── ProcessDied           the process of a function ended without an answer
│   ├── StaleToken            a write came with a fencing token that is too old
│   └── StoreUnavailable      the store did not answer, or refused to work
```

Arguments that make no sense are the built-in `TypeError` and `ValueError`, raised when a thing is built.
"""

from __future__ import annotations

import signal


class Cancelled(BaseException):
    """The context of the task ended, and the task left because of it.

    It derives from `BaseException`, so that an `except Exception` inside a task cannot swallow it by accident.
    The reason for the end is its `__cause__`.
    It does not derive from `asyncio.CancelledError`: asyncio's own cancellation keeps its own meaning.
    """


class DeadlineExceeded(TimeoutError):
    """A deadline passed: that of `with_timeout`, or that of a context."""


class TaskerError(Exception):
    """Base of what tasker reports about itself; catch it to catch all of these."""


class ShutdownTimeout(TaskerError):
    """Tasks were still running when the time for stopping was over.

    Attributes:
        tasks: The names of the tasks that had not returned, in the order in which they were started.
        grace: The seconds that they had.
    """

    def __init__(self, tasks: tuple[str, ...], grace: float) -> None:
        self.tasks = tasks
        self.grace = grace
        names = ", ".join(repr(name) for name in tasks)
        super().__init__(f"still running {grace:g} s after being asked to stop: {names}")

    def __reduce__(self) -> tuple[type[ShutdownTimeout], tuple[tuple[str, ...], float]]:
        return (type(self), (self.tasks, self.grace))


class CommandFailed(TaskerError):
    """A command that ran as a task exited with a status other than zero, or was killed by a signal.

    Attributes:
        name: The name of the task: that of the program. Its arguments, which may hold secrets, are kept nowhere.
        status: The exit status; the number of a signal, negative, if that has killed it.
        lines: The last lines that it wrote, of both streams.
    """

    def __init__(self, name: str, status: int, lines: tuple[str, ...] = ()) -> None:
        self.name = name
        self.status = status
        self.lines = lines
        said = "; its last lines:" + "".join(f"\n  {line}" for line in lines) if lines else ", and wrote nothing"
        super().__init__(f"{name!r} {how_it_ended(status)}{said}")

    def __reduce__(self) -> tuple[type[CommandFailed], tuple[str, int, tuple[str, ...]]]:
        return (type(self), (self.name, self.status, self.lines))


class ProcessDied(TaskerError):
    """The process in which a function ran ended without an answer: it crashed, was killed, or left on its own.

    Attributes:
        name: The name of the task.
        status: The exit status of the process; the number of a signal, negative, if that has killed it.
    """

    def __init__(self, name: str, status: int) -> None:
        self.name = name
        self.status = status
        super().__init__(f"the process of {name!r} {how_it_ended(status)} before the function had ended")

    def __reduce__(self) -> tuple[type[ProcessDied], tuple[str, int]]:
        return (type(self), (self.name, self.status))


class LeaseLost(TaskerError):
    """The lease under which something runs is gone, or can no longer be trusted.

    It is the cause with which the context of that run or lock ends.
    """


class StaleToken(TaskerError):
    """A write carried a fencing token that is older than the newest one the store has seen.

    Attributes:
        key: What the token belongs to.
        token: The token that came.
        newest: The newest token known for that key.
    """

    def __init__(self, key: str, token: int, newest: int) -> None:
        self.key = key
        self.token = token
        self.newest = newest
        super().__init__(f"{key!r}: fencing token {token} is stale, expected {newest} or later; its lease was lost")

    def __reduce__(self) -> tuple[type[StaleToken], tuple[str, int, int]]:
        return (type(self), (self.key, self.token, self.newest))


class StoreUnavailable(TaskerError):
    """The store could not be reached, did not answer in time, or refuses to work for now.

    Whether the operation took effect is unknown.
    """


def how_it_ended(status: int) -> str:
    """Return in words how a process ended; a negative status is that of a signal."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
