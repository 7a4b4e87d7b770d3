"""The other side of `in_process`: what runs in the new process."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from types import FrameType
from typing import IO, Any

from tasker._core.context import CancelContext, Context
from tasker._core.task import to_task
from tasker.errors import Cancelled
from tasker.serve._outcome import STOP, answer_of

_PR_SET_PDEATHSIG = 1


class _Stop:
    """Ends the context when the parent says so, and the process when the parent is gone.

    SIGTERM alone does nothing here: a service manager sends it to every process of a service, and it is the parent that
    decides. The function is interrupted by it only after the parent has spoken.
    """

    def __init__(self, ctx: CancelContext, hears: int, *, is_told: bool) -> None:
        self._ctx = ctx
        self._hears = hears
        self._is_told = is_told
        self._must_leave = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self._interrupt)
        threading.Thread(target=self._listen, name="tasker-parent", daemon=True).start()

    def forget(self) -> None:
        """The function has ended: nothing is to be interrupted any more."""
        self._must_leave = False
        self._is_told = True

    def _listen(self) -> None:
        while os.read(self._hears, 1) == STOP:
            self._ctx.cancel(Cancelled("the context of the task ended, in the process that started this one"))
            if not self._is_told:
                self._must_leave = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        os.killpg(0, signal.SIGKILL)  # the parent is dead

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._must_leave:
            self._must_leave = False
            raise Cancelled("the context of the task ended, in the process that started this one")


def run(payload: IO[bytes], hears: int, writer: int, parent: int) -> None:
    """Run the function that the payload holds, and write how it ended.

    Args:
        payload: The file, from where the path for imports has been read.
        hears: The descriptor on which the parent says that the context has ended.
        writer: The descriptor that takes the outcome.
        parent: The process that started this one.
    """
    _die_with(parent)
    with payload:
        main_module, is_told = pickle.load(payload)  # noqa: S301 - it comes from our own parent
        function = payload.read()
    ctx = Context.background().with_cancel()
    stop = _Stop(ctx, hears, is_told=is_told)
    stop.listen()
    error: BaseException | None = None
    try:
        _call(main_module, function, ctx)
        stop.forget()
    except BaseException as left:  # noqa: BLE001 - nothing is lost, it crosses over
        stop.forget()
        error = left
    with os.fdopen(writer, "wb") as file:
        pickle.dump(answer_of(error), file)


def _call(main_module: dict[str, Any], function: bytes, ctx: Context) -> None:
    if main_module:
        _import_main(main_module)
    to_task(pickle.loads(function)).run(ctx)  # noqa: S301 - our own parent's


def _import_main(how: dict[str, Any]) -> None:
    """Import the file that the parent runs, as `multiprocessing` does."""
    from multiprocessing import process, spawn  # noqa: PLC0415 - few need it

    current: Any = process.current_process()
    current._inheriting = True  # so that whoever starts the program again is refused
    try:
        spawn.prepare(how)
    finally:
        del current._inheriting


def _die_with(parent: int) -> None:
    """Let Linux kill this process when its parent dies, also while a function keeps the interpreter to itself."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - for nothing else

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it has died in the meantime
