"""What a function in a process of its own ended with, as it crosses to the other process."""

from __future__ import annotations

import pickle
import traceback
from types import TracebackType
from typing import NamedTuple

STOP = b"s"
"""What says to a child that its context has ended."""


class Answer(NamedTuple):
    """How a function ended.

    Attributes:
        error: What left it, pickled; `None` if it succeeded, or if it cannot be pickled.
        text: What left it, as a line.
        traceback: Where it was raised; empty if it succeeded.
    """

    error: bytes | None
    text: str
    traceback: str


def answer_of(error: BaseException | None) -> Answer:
    """Return what crosses, in the child."""
    if error is None:
        return Answer(None, "", "")
    lines = traceback.format_exception(type(error), error, _of_the_user(error.__traceback__))
    return Answer(_pickled(error), traceback.format_exception_only(error)[-1].strip(), "".join(lines).rstrip())


def error_of(answer: Answer, name: str, pid: int) -> BaseException | None:
    """Return what left the function, in the parent."""
    if not answer.traceback:
        return None
    error = None
    if answer.error is not None:
        try:
            error = pickle.loads(answer.error)  # noqa: S301 - it comes from our own child
        except Exception:  # noqa: BLE001 - a constructor may do anything; it worked in the child
            error = None
    if not isinstance(error, BaseException):
        error = RuntimeError(f"{name!r} failed with what cannot be sent to another process: {answer.text}")
    error.add_note(f"raised by {name!r} in process {pid}:\n{answer.traceback}")
    return error


def _of_the_user(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out what called the function."""
    inner = traceback
    while inner is not None and inner.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "tasker":
        inner = inner.tb_next
    return inner or traceback


def _pickled(error: BaseException) -> bytes | None:
    try:
        data = pickle.dumps(error)
        pickle.loads(data)  # noqa: S301 - our own; many a class can be pickled but not unpickled
    except Exception:  # noqa: BLE001 - the user's classes may do anything
        return None
    return data
