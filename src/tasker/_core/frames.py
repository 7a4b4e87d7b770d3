"""Where each thread of this process is, looked at from any of them."""

from __future__ import annotations

import gc
import os
import sys
import threading
from types import FrameType

_lock = threading.Lock()


def frames_of_threads() -> dict[int, FrameType]:
    """Return where each thread is, by its identifier.

    The garbage collector is off meanwhile: CPython 3.11 makes these frames under a lock of the interpreter, and if a
    collection began then, and freed a `threading.local`, it would wait for that same lock for ever. Nothing would run
    any more, not even what ends the process.
    """
    with _lock:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if was_enabled:
                gc.enable()


def _start_afresh_in_child() -> None:
    global _lock  # noqa: PLW0603 - a thread that is not there may have held it
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
