"""A function in a process of its own, which can really be killed.

The process is started afresh, never forked: a fork copies locks that threads hold, with nobody to release them, and
this library has threads. It is not started by `multiprocessing`, which would bring a process of its own to track
resources, import the main module even if nothing of it is needed, and wait for children without limit at the exit.

What goes to the child is a memory file with the pickled function. What comes back is the outcome, over a pipe. A third
pipe tells the child that its context has ended; when that pipe breaks, the parent is dead, and the child ends itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

from tasker._core.callables import TaskLike, call_of
from tasker._core.changes import Changes
from tasker._core.context import Context, Scope, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.leaving import is_cancellation
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task, to_task
from tasker.errors import Cancelled, ProcessDied
from tasker.serve._child import Child
from tasker.serve._outcome import STOP, Answer, error_of
from tasker.serve._pipe_reader import PipeReader
from tasker.serve._supervise import Supervision

logger = logging.getLogger("tasker")

_FOR_THE_MAIN_MODULE = ("init_main_from_name", "init_main_from_path", "dir", "orig_dir")
# The standard library is all that it can import before it has been told where to look.
_BOOT = (
    "import os, pickle, sys; payload = os.fdopen(int(sys.argv[1]), 'rb'); sys.path[:] = pickle.load(payload);"
    " from tasker.serve._in_child import run; run(payload, *map(int, sys.argv[2:]))"
)


class _Line:
    """The pipe by which a child hears that its context has ended; any thread may say so."""

    def __init__(self, writer: int) -> None:
        self._writer = writer
        self._lock = threading.RLock()
        self._is_closed = False

    def say_stop(self) -> None:
        with self._lock:
            if not self._is_closed:
                try:
                    os.write(self._writer, STOP)
                except OSError:
                    pass  # the child has closed its end: it is about to leave

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            os.close(self._writer)


class _InProcess(Task):
    counts_starts = True

    def __init__(self, name: str, function: bytes, grace: float) -> None:
        super().__init__(name)
        self._function = function
        self._grace = grace

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            raise cancelled_by(ctx.cause)
        mailbox = mailbox_of(asyncio.get_running_loop())
        answer = bytearray()
        with Scope(ctx) as scope:
            changes = Changes(mailbox, lambda: scope.end(Cancelled("the awaiting asyncio task was cancelled")))
            hears, says = os.pipe()
            reader, writer = os.pipe()
            line = _Line(says)
            pipe = PipeReader(reader, mailbox.loop, answer.extend, changes.note)
            try:
                child = self._start(changes, hears, writer)
                supervision = Supervision(child, [pipe], changes, line.say_stop, self._grace, ends_with_pipes=True)
                status = await supervision.run(scope.ctx)
            finally:
                line.close()
                pipe.close()
            if supervision.was_killed:
                what = "of its stop" if supervision.was_asked else "of the end of the function"
                logger.warning(
                    "%r: its process did not end within %g s %s, and was killed", self.name, self._grace, what
                )
            outcome = _outcome_of(bytes(answer), self.name, status, child.pid)
            if supervision.was_asked and (isinstance(outcome, ProcessDied) or is_cancellation(outcome)):
                outcome = cancelled_by(scope.ctx.cause)
        if outcome is None or is_cancellation(outcome):
            outcome = changes.interruption or outcome
        if outcome is not None:
            raise outcome

    def _start(self, changes: Changes, hears: int, writer: int) -> Child:
        """Start the process. In the thread of the loop: at the end of the thread that starts it, Linux kills it."""
        fds = [hears, writer]
        try:
            fds.insert(0, _memory_file(pickle.dumps(sys.path) + self._function))
            flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            child = Child(
                [sys.executable, *flags, "-c", _BOOT, *map(str, fds), str(os.getpid())],
                mailbox_of(asyncio.get_running_loop()),
                changes.note,
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
            )
        finally:
            for fd in fds:
                os.close(fd)
        self.starts += 1
        return child


def _outcome_of(answer: bytes, name: str, status: int, pid: int) -> BaseException | None:
    try:
        found: Answer = pickle.loads(answer)  # noqa: S301 - it comes from our own child, over our own pipe
    except (EOFError, pickle.UnpicklingError):
        return ProcessDied(name, status)
    return error_of(found, name, pid)


def in_process(function: TaskLike, *, name: str | None = None, grace: Duration = 10) -> Task:
    """Run a function in a process of its own: for what keeps the processor busy, may crash, or cannot be stopped.

    The process is started afresh and imports what the function needs, so the function and what is bound to it must be
    such that they can be pickled: a function of a module, not a lambda or a nested one. It is pickled when the task is
    built. In the file that is run, `main` stands under `if __name__ == "__main__":`, as for `multiprocessing`.

    The function may take a context, which ends when that of the task does; an async one is canceled then. One that
    takes none has `Cancelled` raised in it. What has not ended after the grace is killed, with all that it has started.
    It is killed as well when the process of tasker dies.

    What it raises is raised here, with the traceback of the other process as a note. What it returns is dropped, as
    with every task. What it prints goes where this process prints; logging is as the imported modules set it up.

    Args:
        function: Anything that can be a task and can be pickled.
        name: What people see; `None` means the name of the function.
        grace: How long it may take to end; inside `main`, less if its budget is smaller.

    Raises:
        TypeError: It cannot be a task, or cannot be pickled.
        ValueError: The grace is negative or not finite.
        ProcessDied: (when run) The process ended before the function did: by a signal, say, or `os._exit`.
        BaseException: (when run) Whatever the function fails with; what cannot be pickled is a `RuntimeError` with its
            text.
    """
    task = to_task(function, name)
    is_told = isinstance(function, Task) or _is_told(function)
    payload = _pickled(function, task.name)
    seconds = seconds_of(grace, "grace")
    return _InProcess(task.name, pickle.dumps((_main_module(payload), is_told)) + payload, seconds)


def _is_told(function: TaskLike) -> bool:
    """Whether it learns by itself that its context has ended."""
    found = call_of(function)
    return found.is_async or found.keyword is not None


def _pickled(function: TaskLike, name: str) -> bytes:
    try:
        return pickle.dumps(function)
    except Exception as error:
        raise TypeError(
            f"in_process: {name!r} cannot be sent to another process: {error}; give it a function that stands at the"
            " top of a module, and bind only what can be pickled"
        ) from error


def _main_module(payload: bytes) -> dict[str, Any]:
    """Return how the child finds the main module, if it needs that."""
    if b"__main__" not in payload:
        return {}
    from multiprocessing import spawn  # noqa: PLC0415 - few need it

    found = spawn.get_preparation_data("in_process")
    how: dict[str, Any] = {key: found[key] for key in _FOR_THE_MAIN_MODULE if key in found}
    if not any(key.startswith("init_main") for key in how):
        raise TypeError(
            "in_process: a function that was defined in an interactive session cannot be found by another process; put"
            " it into a module"
        )
    return how


def _memory_file(data: bytes) -> int:
    """Return a descriptor from which the data can be read."""
    fd = os.memfd_create("tasker") if hasattr(os, "memfd_create") else _temporary_file()
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _temporary_file() -> int:
    import tempfile  # noqa: PLC0415 - only where there are no memory files

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
