"""A throwaway server: what PostgreSQL, MariaDB and Redis have in common when a test starts one.

It lives in a temporary folder, listens on a free port of the loopback address and on a socket in that folder, runs as
an unprivileged user when the tests run as root, and is gone at the end: with the fixture, with the interpreter, and on
Linux even when the interpreter is killed. Only processes that were started here are ever signaled.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

START_LIMIT = 30.0
STOP_LIMIT = 30.0
POLL = 0.01
_PR_SET_PDEATHSIG = 1
_LOOPBACK = "127.0.0.1"


class ServerProcess(ABC):
    """A server of the test's own; a context manager that stops it and deletes its data.

    Attributes:
        host: The loopback address.
        port: The TCP port; it stays the same over restarts.
        folder: The temporary folder: the data, the socket and the log are in it.
        accounts: Who runs it when the tests run as root: the first of them that there is.
        says_taken: What it writes to its log when another process has its port.
        stops_by: The signal that stops it in peace.
        dies_by: The signal that it gets when the process of the tests dies without saying goodbye.
    """

    host = _LOOPBACK
    accounts: tuple[str, ...] = ("nobody",)
    says_taken: str
    stops_by = signal.SIGTERM
    dies_by = signal.SIGKILL

    def __init__(self, prefix: str) -> None:
        """Make the folder, with a name that begins so, and start the server."""
        self.account = unprivileged_account(*self.accounts)
        # Not in pytest's own folder: the name of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        atexit.register(self.close)
        try:
            give(self.folder, self.account)
            self._prepare()
            self._start_on_free_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for pytest, which then closes the server
                preexec_fn=partial(_die_with_parent, self.dies_by),  # noqa: PLW1509 - loaded before the fork
                **identity_of(self.account),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server in peace, and wait until it is gone."""
        self._end(self.stops_by)

    def kill(self) -> None:
        """Kill the server, as a failed machine does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the time of the server: it accepts connections and never answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def close(self) -> None:
        """Kill the server if it runs, and delete all that it had."""
        atexit.unregister(self.close)
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what the server has written to its log."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs in its folder."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Return what starts it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether it is ready."""

    def _start_on_free_port(self) -> None:
        # Between finding a free port and listening on it another process may take it.
        for last in (False, False, True):
            self.port = free_port()
            try:
                self.start()
            except AssertionError:
                self._end(signal.SIGKILL)
                if last or self.says_taken not in self.log():
                    raise
            else:
                return

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_LIMIT
        while True:
            process = self._process
            assert process is not None
            assert process.poll() is None, f"the server ended by itself:\n{self.log()}"
            if self._answers():
                return
            assert time.monotonic() < end, f"the server did not start:\n{self.log()}"
            time.sleep(POLL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen one would never hear the rest
        process.wait(STOP_LIMIT)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def unprivileged_account(*names: str) -> pwd.struct_passwd | None:
    """Return who runs a server, the first of these that there is; `None` for the user of the tests, unless root."""
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError(f"the tests run as root, and there is no user {' or '.join(names)} for the server")


def identity_of(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments of `subprocess` that make a process one of this account."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Let a folder belong to this account."""
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent(number: signal.Signals) -> None:
    """Let the server end when the process of the tests dies without saying goodbye; runs in the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number)
