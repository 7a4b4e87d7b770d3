"""What is running now, and where: for the report of what does not stop."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback
from collections.abc import Iterator
from itertools import dropwhile
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, NamedTuple

from tasker._core import threads
from tasker._core.frames import frames_of_threads
from tasker._core.loops import outcome_of
from tasker._core.task import AsyncCall, Task

_MACHINERY = frozenset({"asyncio", "threading", "tasker"})
# What can be suspended in Python code, and how the names of its attributes begin.
_KINDS: dict[type, str] = {CoroutineType: "cr", GeneratorType: "gi", AsyncGeneratorType: "ag"}


class RunningTask(NamedTuple):
    """A task that has not returned.

    Attributes:
        name: The name of the task.
        stack: Where it is, as text.
    """

    name: str
    stack: str

    def told(self, asked_for: float) -> str:
        """Say that it still runs, so many seconds after it was asked to stop, and where."""
        return f"{self.name!r} is still running {asked_for:.1f} s after it was asked to stop:\n{self.stack}"


def running_tasks(loop: asyncio.AbstractEventLoop | None) -> list[RunningTask]:
    """Return what runs in worker threads, and what runs on a loop, the user's own included; from any thread.

    A task that waits for neither, such as one that still frees its lease, is named too. If there is nothing of all
    that, the loop itself is named, which may be waiting for threads that are not tasker's; without a loop, what the
    main thread does instead of running one.
    """
    frames = frames_of_threads()
    found = [RunningTask(name, _text(_stack_of(frames.get(ident)))) for name, ident in threads.running()]
    if loop is None:
        main = threading.main_thread().ident or 0
        return found or [RunningTask("the start of the loop", _text(_stack_of(frames.get(main))))]
    thread: int | None = getattr(loop, "_thread_id", None)
    step = _stack_of(frames.get(thread or 0))
    # A task that is in the middle of a step, because it blocks the loop, is where the loop's thread is.
    blocking = asyncio.current_task(loop)
    between: list[list[FrameType]] = []
    for task in sorted(asyncio.all_tasks(loop), key=id):
        coroutine: Any = task.get_coro()
        if getattr(coroutine, "cr_code", None) is outcome_of.__code__:
            between.append(_frames_of(coroutine))
        else:
            stack = _inside(step) if task is blocking else _frames_of(coroutine)
            found.append(RunningTask(task.get_name(), _text(stack)))
    found.extend(_waiting_by_themselves(between, {each.name for each in found}))
    return found or [RunningTask("the event loop", _text(step))]


def _waiting_by_themselves(stacks: list[list[FrameType]], names: set[str]) -> Iterator[RunningTask]:
    """Of the tasks that mostly wait for others, return those that wait for none that runs."""
    waiting = [(task, stack) for stack in stacks if (task := _innermost(stack)) is not None]
    for task, stack in waiting:
        inside = set(_under(task))
        if names.isdisjoint(each.name for each in (task, *inside)) and inside.isdisjoint(each for each, _ in waiting):
            yield RunningTask(task.name, _text(stack))


def _innermost(stack: list[FrameType]) -> Task | None:
    owners = (frame.f_locals.get("self") for frame in reversed(stack))
    return next((owner for owner in owners if isinstance(owner, Task)), None)


def _under(task: Task) -> Iterator[Task]:
    for child in task.children:
        yield child
        yield from _under(child)


def is_exiting() -> bool:
    """Whether the main thread has come to its end, and the interpreter waits for something before it exits."""
    main = threading.main_thread()
    if not main.is_alive():
        return True
    frame = frames_of_threads().get(main.ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    # It waits for the threads of executors while it still counts as alive.
    return frame is not None and frame.f_code is threading._shutdown.__code__  # type: ignore[attr-defined]


def what_holds_the_exit() -> list[RunningTask]:
    """Return the threads that the interpreter waits for before it exits; if there are none, what it does instead."""
    frames = frames_of_threads()
    main = threading.main_thread()
    found = [
        RunningTask(f"thread {thread.name}", _text(_stack_of(frames.get(thread.ident or 0))))
        for thread in threading.enumerate()
        if not thread.daemon and thread is not main
    ]
    return found or [RunningTask("the exit of the interpreter", _text(_stack_of(frames.get(main.ident or 0))))]


class Stack:
    """Where a thread was at some moment; what the files say is looked up only for the text."""

    def __init__(self, frames: list[FrameType]) -> None:
        """Keep the place of each frame, and not the frames, which live on."""
        places = ((frame, frame.f_lineno) for frame in frames)
        self._summary = traceback.StackSummary.extract(places, lookup_lines=False)

    def text(self) -> str:
        """Return it as in a traceback; from any thread."""
        return "".join(self._summary.format()).rstrip()


def step_of(loop: asyncio.AbstractEventLoop, thread: int) -> tuple[str, Stack]:
    """Return which task a loop is in the middle of, and where; from any thread but its own.

    Args:
        loop: The loop.
        thread: The identifier of the thread that it runs in.
    """
    stack = _stack_of(frames_of_threads().get(thread))
    task = asyncio.current_task(loop)
    return ("a callback", Stack(stack)) if task is None else (task.get_name(), Stack(_inside(stack)))


def _stack_of(frame: FrameType | None) -> list[FrameType]:
    stack: list[FrameType] = []
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    stack.reverse()
    return list(dropwhile(_is_machinery, stack)) or stack


def _inside(stack: list[FrameType]) -> list[FrameType]:
    """Leave out what runs the loop, and what it was called by, from the stack of a thread that is in a task's step."""
    inside = list(dropwhile(lambda frame: frame.f_code is not AsyncCall.outcome.__code__, stack))
    return inside[1:] or stack


def _is_machinery(frame: FrameType) -> bool:
    """Whether a frame is of what runs tasks, and says nothing about where the user's code is."""
    return frame.f_globals.get("__name__", "").partition(".")[0] in _MACHINERY


def _frames_of(coroutine: Any) -> list[FrameType]:  # noqa: ANN401 - coroutines and what they await have no common type
    """Follow a suspended coroutine to what it awaits; the frame of tasker's own wrapper is left out."""
    frames: list[FrameType] = []
    if getattr(coroutine, "cr_code", None) is AsyncCall.outcome.__code__:
        coroutine = coroutine.cr_await
    while coroutine is not None:
        itself: object = coroutine
        kind = _KINDS.get(type(itself))
        if kind is None:
            coroutine = _inside_of(coroutine)
            continue
        frame = getattr(coroutine, f"{kind}_frame")
        if frame is None:
            break
        frames.append(frame)
        coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return frames


def _inside_of(step: object) -> object:
    """Return what is behind a step of an asynchronous generator, or behind `__await__`: both are of C and show nothing.

    Returns:
        `None` if it is something else, such as a future.
    """
    return next((each for each in gc.get_referents(step) if type(each) in _KINDS), None)


def _text(frames: list[FrameType]) -> str:
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)
    return "".join(summary.format()).rstrip() or "  (it is just running, or has just ended)"
