"""A program of the system as a task."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import cast

from tasker._core.changes import Changes
from tasker._core.context import Context, Scope, cancelled_by
from tasker._core.durations import Duration, seconds_of
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task
from tasker.errors import Cancelled, CommandFailed
from tasker.serve._child import Child
from tasker.serve._lines import Lines
from tasker.serve._pipe_reader import PipeReader
from tasker.serve._program import program_of
from tasker.serve._supervise import Supervision

logger = logging.getLogger("tasker.command")

Text = str | os.PathLike[str]
"""What a program is named by, and what it gets as an argument."""

_LINES_KEPT = 20


class _Output:
    """What a command writes to one stream: each line is logged, and the last ones are kept."""

    def __init__(self, name: str, level: int | None, kept: deque[str]) -> None:
        self._name = name
        self._level = level
        self._kept = kept
        self._lines = Lines()

    def receive(self, data: bytes) -> None:
        self._log(self._lines.feed(data))

    def end(self) -> None:
        self._log(self._lines.end())

    def _log(self, lines: list[str]) -> None:
        self._kept.extend(lines)
        if self._level is not None:
            for line in lines:
                logger.log(self._level, "%s: %s", self._name, line)


class _Command(Task):
    counts_starts = True

    def __init__(
        self,
        name: str,
        arguments: list[str],
        *,
        cwd: str | None,
        env: dict[str, str] | None,
        levels: tuple[int | None, int | None],
        grace: float,
    ) -> None:
        super().__init__(name)
        self._arguments = arguments
        self._cwd = cwd
        self._env = env
        self._levels = levels
        self._grace = grace

    async def _body(self, ctx: Context) -> None:
        if ctx.done:
            raise cancelled_by(ctx.cause)
        mailbox = mailbox_of(asyncio.get_running_loop())
        kept: deque[str] = deque(maxlen=_LINES_KEPT)
        outputs = [_Output(self.name, level, kept) for level in self._levels]
        with Scope(ctx) as scope:
            changes = Changes(mailbox, lambda: scope.end(Cancelled("the awaiting asyncio task was cancelled")))
            readers, writers = zip(os.pipe(), os.pipe(), strict=True)
            pipes = [
                PipeReader(fd, mailbox.loop, output.receive, changes.note)
                for fd, output in zip(readers, outputs, strict=True)
            ]
            try:
                child = self._start(changes, writers)
            except BaseException:
                for pipe in pipes:
                    pipe.close()
                raise
            finally:
                for fd in writers:
                    os.close(fd)
            supervision = Supervision(child, pipes, changes, partial(child.signal, signal.SIGTERM), self._grace)
            status = await supervision.run(scope.ctx)
            for output in outputs:
                output.end()
            if supervision.was_killed:
                logger.warning("%s: did not end within %g s of SIGTERM, and was killed", self.name, self._grace)
            self._leave(status, scope.ctx, changes, tuple(kept), was_asked=supervision.was_asked)

    def _start(self, changes: Changes, writers: tuple[int, ...]) -> Child:
        out, err = writers
        child = Child(
            [*self._arguments],
            mailbox_of(asyncio.get_running_loop()),
            changes.note,
            cwd=self._cwd,
            env=None if self._env is None else {**os.environ, **self._env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        self.starts += 1
        return child

    def _leave(self, status: int, ctx: Context, changes: Changes, lines: tuple[str, ...], *, was_asked: bool) -> None:
        if status and not was_asked:
            raise CommandFailed(self.name, status, lines)
        if changes.interruption is not None:
            raise changes.interruption
        if status:
            raise cancelled_by(ctx.cause)


def command(
    program: Text,
    *arguments: Text,
    name: str | None = None,
    cwd: Text | None = None,
    env: Mapping[str, str] | None = None,
    grace: Duration = 10,
    stdout: int | None = logging.INFO,
    stderr: int | None = logging.WARNING,
) -> Task:
    r"""Run a program of the system as a task.

    When the context ends, the program gets SIGTERM, and SIGKILL after the grace; so does everything that it has
    started, unless that has left its process group. It has a session of its own, without a terminal and without input,
    so a Ctrl-C does not reach it: its task decides. What it has started and left behind is killed when it ends.

    What it writes is logged line by line by the logger `tasker.command`; bytes that are no UTF-8 are shown as `\xff`,
    and lines longer than 8,192 characters are split. It waits without a thread, and works on every loop and in every
    thread.

    A status other than zero is a failure; after the context has ended it counts as a clean leave. No argument and no
    variable is ever logged, or kept in an error.

    If the process of tasker is killed with SIGKILL, the program goes on.

    Args:
        program: Its name, which is looked up in `PATH`, or its path; a path is relative to `cwd`.
        arguments: What it gets; no shell is involved.
        name: What people see; `None` means the name of the program.
        cwd: The folder to run in; `None` means that of this process.
        env: Variables on top of the environment of this process.
        grace: How long it may take to end; inside `main`, less if its budget is smaller.
        stdout: The level at which its standard output is logged; `None` means not at all.
        stderr: The same for its standard error.

    Raises:
        TypeError: An argument is no text, or a level no number.
        ValueError: An argument has a NUL character in it, or the grace is negative or not finite.
        FileNotFoundError: There is no such program, or no such folder.
        PermissionError: The program is not executable.
        CommandFailed: (when run) It exited with another status than zero, or was killed.
        OSError: (when run) It could not be started.
    """
    texts = [
        _text(each, f"argument {number}" if number else "program") for number, each in enumerate((program, *arguments))
    ]
    folder = None if cwd is None else _text(cwd, "cwd")
    added = None if env is None else {_text(key, "env"): _text(value, "env") for key, value in env.items()}
    for level, argument in ((stdout, "stdout"), (stderr, "stderr")):
        if level is not None and (not isinstance(level, int) or isinstance(level, bool)):
            raise TypeError(f"{argument}: expected a level of logging or None, got {level!r}")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name: expected a string or None, got {name!r}")
    texts[0] = program_of(texts[0], folder, added)
    seconds = seconds_of(grace, "grace")
    return _Command(name or Path(texts[0]).name, texts, cwd=folder, env=added, levels=(stdout, stderr), grace=seconds)


def _text(given: object, argument: str) -> str:
    """Return what was given as text; the message of an error says which it was, and never what."""
    try:
        text: object = os.fspath(cast("Text", given))
    except TypeError:
        name = type(given).__name__
        raise TypeError(f"command: {argument}: expected a string or a path, got one of type {name}") from None
    if not isinstance(text, str):
        raise TypeError(f"command: {argument}: expected a path of text, got one of bytes")
    if "\0" in text:
        raise ValueError(f"command: {argument}: expected text without NUL characters")
    return text
