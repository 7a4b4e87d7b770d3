"""What happens when a task fails."""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable
from functools import partial
from typing import Any

from tasker._core.callables import TaskLike, call_of, name_of
from tasker._core.calling import perform
from tasker._core.context import Context
from tasker._core.leaving import members_of
from tasker._core.task import Task, to_task
from tasker.errors import Cancelled


class _OnError(Task):
    def __init__(self, task: Task, handler: Callable[..., Any]) -> None:
        super().__init__(f"on_error {name_of(handler)}", [task])
        handling = call_of(partial(handler, ValueError()))
        self.starting = self.children
        self.runs_in_one_thread = task.runs_in_one_thread and not handling.is_async
        self._task = task
        self._handler = handler

    async def _body(self, ctx: Context) -> None:
        try:
            await perform(self._task, ctx)
        except Exception as error:  # noqa: BLE001 - the handler decides
            failure = error
        else:
            return
        try:
            await self._handle(failure, ctx)
        except BaseException as error:
            if error is not failure and error.__context__ is None:
                error.__context__ = failure
            raise

    async def _handle(self, failure: Exception, ctx: Context) -> None:
        handling = to_task(partial(self._handler, failure), self.name)
        try:
            await perform(handling, ctx)
        except (Cancelled, CancelledError) as error:
            left = error
        else:
            return
        if handling.starts:
            # It was told to leave before it was done, so nobody has swallowed the failure.
            failure.add_note(f"the handler of {self.name!r} was canceled")
            raise failure
        # The end came before it; it has work to do also while all stops.
        await perform(handling, ctx.without_cancel())
        if isinstance(left, CancelledError):
            raise left


class _IgnoreError(Task):
    def __init__(self, task: Task, types: tuple[type[Exception], ...]) -> None:
        super().__init__("ignore_error " + " ".join(each.__name__ for each in types), [task])
        self.starting = self.children
        self.runs_in_one_thread = task.runs_in_one_thread
        self._task = task
        self._types = types

    async def _body(self, ctx: Context) -> None:
        try:
            await perform(self._task, ctx)
        except Exception as error:
            if not matches(error, self._types):
                raise


def on_error(task: TaskLike, handler: Callable[..., Any]) -> Task:
    """Hand what a task fails with to a handler.

    The handler is called with the error, and with the context if it wants it, like a task: a sync one in a worker
    thread, an async one on the loop. Returning swallows the error; raising, the same error or another, goes on. It
    never sees a cancellation. If the context has ended before it begins, it still runs, under a context that has not.
    If the context ends while it runs, and it leaves because of that, the error that it was handed is raised.

    Args:
        task: Anything that can be a task.
        handler: `handler(error)`, or `handler(error, ctx)`.

    Raises:
        TypeError: The task cannot be one, or the handler cannot be called with an error.
    """
    if not callable(handler) or not _takes_an_error(handler):
        raise TypeError(
            f"handler: expected handler(error) or handler(error, ctx), which takes the error, got {handler!r}"
        )
    return _OnError(to_task(task), handler)


def ignore_error(task: TaskLike, *types: type[Exception]) -> Task:
    """Let errors of some types pass as success.

    A group of errors passes if every error in it is of these types.

    Args:
        task: Anything that can be a task.
        types: What to ignore; none means every `Exception`.

    Raises:
        TypeError: The task cannot be one, or one of the types is not a class of exceptions; a cancellation is none.
    """
    for each in types:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise TypeError(f"types: expected classes derived from Exception, got {each!r}")
    return _IgnoreError(to_task(task), types or (Exception,))


def matches(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether an error is of these types, or a group in which every error is."""
    if (members := members_of(error)) is None:
        return isinstance(error, types)
    is_meant = any(issubclass(each, BaseExceptionGroup) and isinstance(error, each) for each in types)
    return is_meant or all(matches(each, types) for each in members)


def _takes_an_error(handler: Callable[..., Any]) -> bool:
    try:
        inspect.signature(handler).bind_partial(ValueError())
    except ValueError:
        return True  # built in C without a signature
    except TypeError:
        return False
    return True
