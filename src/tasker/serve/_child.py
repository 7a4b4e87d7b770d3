"""A process that a task waits for, and that never outlives it.

It is the leader of a process group and a session of its own, so what it starts belongs to it: a signal goes to the
whole group, and what is left of the group when the leader has ended is killed. A Ctrl-C at the terminal does not reach
it; its end is the business of its task.

The loop hears of its end by a descriptor of the process (`pidfd`), and where there is none, by a thread that waits for
it; never by SIGCHLD or a child watcher of asyncio, which would tie it to the main thread or to one loop.

A process is not reaped before its group has been killed: until then its number cannot belong to anybody else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from tasker._core import children, threads
from tasker._core.mailbox import Mailbox


class Child:
    """One process. It belongs to the loop, but `signal` may be called from any thread."""

    def __init__(
        self,
        arguments: list[str],
        mailbox: Mailbox,
        changed: Callable[[], object],
        **how: Any,  # noqa: ANN401 - as for Popen
    ) -> None:
        """Start it.

        Args:
            arguments: The program and what it gets.
            mailbox: The loop's that runs here.
            changed: Called on the loop when it has ended.
            how: What `subprocess.Popen` takes.
        """
        self.has_ended = False
        self._mailbox = mailbox
        self._changed = changed
        self._lock = threading.RLock()
        self._is_reaped = False
        self._popen = subprocess.Popen(arguments, start_new_session=True, **how)  # noqa: S603 - that is the purpose
        self.pid = self._popen.pid
        children.add(self.pid)
        self._pidfd = _pidfd_of(self.pid)
        if self._pidfd is None:
            threads.start("tasker-wait", self._wait)
        else:
            mailbox.loop.add_reader(self._pidfd, self._end)

    def signal(self, number: int) -> None:
        """Send a signal to it and to all that it has started; nothing if it has been reaped."""
        with self._lock:
            if not self._is_reaped:
                children.signal_group(self.pid, number)

    def reap(self) -> int:
        """Kill what is left of its group, and return its exit status; it has ended before."""
        with self._lock:
            self._is_reaped = True
            children.signal_group(self.pid, signal.SIGKILL)
            children.discard(self.pid)
            status = self._popen.wait()
        self._reap_orphans()
        return status

    def give_up(self) -> None:
        """Kill it, and have nobody told."""
        self.signal(signal.SIGKILL)
        self._close_pidfd()
        self.reap()

    def _wait(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._popen.wait()  # macOS: its number is free from here on, for a moment before its group is killed
        self._mailbox.post(self._end)

    def _end(self) -> None:
        self._close_pidfd()
        self.has_ended = True
        self._changed()

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._mailbox.loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _reap_orphans(self) -> None:
        """As process 1 of a container, this process inherits what was left of the group, and nobody else reaps it."""
        try:
            while os.waitpid(-self.pid, os.WNOHANG) != (0, 0):
                pass  # one that was dead already
            threads.submit(lambda: _reap_group(self.pid))  # the others die in a moment
        except ChildProcessError:
            pass  # they are not ours


def _reap_group(group: int) -> None:
    try:
        while True:
            os.waitpid(-group, 0)
    except ChildProcessError:
        pass  # all are gone


def _pidfd_of(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None  # not Linux, an old one, or a sandbox that forbids it
