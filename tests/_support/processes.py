"""Programs that run in processes of their own, get real signals, and are judged by what they print and how they end.

All waiting is bounded by limits that only a hang reaches, so that a slow machine fails no test.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

LIMIT = 40.0
"""Seconds after which something that a test waits for counts as a hang."""

MARGIN = 5.0
"""Seconds that a noisy machine may add to a time that a test checks."""

_POLL = 0.01
_PR_SET_PDEATHSIG = 1


class Program:
    """A Python program that runs; a context manager that kills it if it still runs at the end.

    Attributes:
        out: What it has written to its standard output so far.
        err: What it has written to its standard error so far.
    """

    def __init__(self, path: Path, *arguments: str, prefix: Sequence[str] = (), reads_err: bool = True) -> None:
        """Start it.

        Args:
            path: The file of the program.
            arguments: What it finds in `sys.argv`.
            prefix: A command that runs it, such as `unshare`.
            reads_err: Whether anyone reads its standard error.
        """
        self.out = self.err = ""
        self._name = " ".join((path.name, *arguments))
        self._changed = threading.Condition()
        self._started_at = self._signaled_at = self._ended_at = time.monotonic()
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-u", "-W", "default", str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for pytest
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - what it calls was loaded before the fork
        )
        self._reads_err = reads_err
        self._has_ended = False
        self._watcher = threading.Thread(target=self._watch, name=f"watcher of {self._name}", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._watcher.join()
        for pipe in self._pipes():
            with suppress(BrokenPipeError):  # of what it was told and has not read, or the reason would be hidden
                pipe.close()

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """The time from the last signal, or else from the start, to the end."""
        return self._ended_at - self._signaled_at

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet; a hang is an error."""
        assert self._has_ended or time.monotonic() < self._started_at + LIMIT, self._story("did not end")
        return not self._has_ended

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, however long it has run."""
        return self._has_ended

    def signal(self, *numbers: signal.Signals, pid: int | None = None) -> None:
        """Send signals, the next without waiting for what the one before does; to `pid` if that is given."""
        self._signaled_at = time.monotonic()
        for number in numbers:
            if pid is None:
                self._process.send_signal(number)  # which does nothing if it has ended
            else:
                os.kill(pid, number)

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def wait_for(self, *texts: str, times: int = 1) -> Self:
        """Wait until it has written each of these so many times, to either stream.

        Lines that its threads print at the same time may be mixed: a line and its end are written one after the other.
        """

        def is_written() -> bool:
            return all(self.out.count(text) + self.err.count(text) >= times for text in texts)

        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or is_written(), LIMIT)
        assert is_written(), self._story(f"did not write {texts}")
        return self

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status: negative if a signal has killed it."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended, LIMIT)
        assert self._has_ended, self._story("did not end")
        return self._process.returncode

    def ends_with(self, status: int, *, within: float) -> None:
        """Wait until it has ended, with this status, within so many seconds (and the margin) after the last signal."""
        assert self.wait() == status, self._story(f"did not end with status {status}")
        assert self.seconds < within + MARGIN, self._story(f"took {self.seconds:.1f} s to end")

    def _story(self, what: str) -> str:
        status = self._process.poll()
        return f"{self._name} {what}; status {status}\n--- out\n{self.out}--- err\n{self.err}---"

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self._process.stdin, self._process.stdout, self._process.stderr) if pipe is not None]

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            assert self._process.stdout is not None
            selector.register(self._process.stdout, selectors.EVENT_READ, "out")
            if self._reads_err:
                assert self._process.stderr is not None
                selector.register(self._process.stderr, selectors.EVENT_READ, "err")
            # What children of the program hold open counts only until it has ended itself.
            while self._process.poll() is None:
                if not self._read(selector):
                    time.sleep(_POLL)
            ended_at = time.monotonic()
            while self._read(selector):
                pass
        with self._changed:
            self._ended_at = ended_at
            self._has_ended = True
            self._changed.notify_all()

    def _read(self, selector: selectors.BaseSelector) -> bool:
        """Take what there is to read, and say whether there was anything."""
        ready = selector.select(_POLL) if selector.get_map() else []
        for key, _ in ready:
            data = os.read(key.fd, 65536)
            if not data:
                selector.unregister(key.fileobj)
            with self._changed:
                text = getattr(self, key.data) + data.decode(errors="replace")
                setattr(self, key.data, text)
                self._changed.notify_all()
        return bool(ready)


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Let the program die when the process of the tests dies without saying goodbye; runs in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
