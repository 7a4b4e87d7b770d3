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
│   ├── StaleToken            a write came with a fencing token that is too old
│   └── StoreUnavailable      the store did not answer, or refused to work
```

Arguments that make no sense are the built-in `TypeError` and `ValueError`, raised when a thing is built.
"""

from __future__ import annotations


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
