"""The task as an object: what every combinator takes and returns.

A task is run in one of two ways, by the same code, the coroutine of its `_body`:

- On an event loop. Coroutine functions of the user run there, each in an asyncio task of its own, because only those
  are cancelled natively; plain functions hop to a worker thread.
- In one thread, without a loop, if it is `runs_in_one_thread`: all that it does is call plain functions one after
  another, so its coroutine never suspends, and a thread can drive it to its end with a single step.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import GeneratorType
from typing import Any, Self

from tasker._core import calling, loops, threads
from tasker._core.callables import TaskLike, call_of
from tasker._core.context import Context, _current, cancelled_by
from tasker._core.leaving import Outcome, leaving

_SHOWN = 10
_COLLECTIONS = frozenset((list, tuple, set, GeneratorType, map))


class Task:
    """Something that runs under a context until it is done or the context ends.

    Made by `to_task` and by every combinator; not to be derived from outside the library.

    Attributes:
        name: What people see of it in logs, reports and `str`.
        children: The tasks that it is made of.
        starting: The tasks in it that must have started before it counts as started itself.
        runs_in_one_thread: Whether it only calls plain functions, one after another.
        is_cancelled_natively: Whether it is a coroutine function of the user's.
        counts_starts: Whether it also counts as started only when `starts` has grown.
        starts: How often it has started, if it counts that; whoever compares looks before and after.
    """

    starting: tuple[Task, ...] = ()
    runs_in_one_thread: bool = False
    is_cancelled_natively: bool = False
    counts_starts: bool = False
    starts: int = 0

    def __init__(self, name: str, children: Sequence[Task] = ()) -> None:
        """Not for use outside: see `to_task` and the combinators."""
        self.name = name
        self.children: tuple[Task, ...] = tuple(children)

    async def __call__(self, ctx: Context | None = None) -> None:
        """Run the task under `ctx`, on the loop that runs here, and wait until all of it has ended.

        When the awaiting asyncio task is cancelled, the contexts of everything under it end, all of it is waited for,
        and the cancellation goes on.

        Args:
            ctx: `None` means the current context.

        Raises:
            Cancelled: The context ended, and the task left because of it or was not started.
            BaseException: Whatever the task fails with.
        """
        await calling.await_all(self, current_or(ctx))

    def run(
        self, ctx: Context | None = None, *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        """Run the task under `ctx`, and block until all of it has ended.

        Inside a sync task that tasker runs, what is async in it runs on the loop that runs already; elsewhere it gets a
        loop of its own for the call, made by `loop_factory`.

        Args:
            ctx: `None` means the current context.
            loop_factory: `None` means the default loop of asyncio.

        Raises:
            Cancelled: The context ended, and the task left because of it or was not started.
            RuntimeError: An event loop runs in this thread; await the task there.
            BaseException: Whatever the task fails with.
        """
        calling.run_here(self, current_or(ctx), loop_factory)

    def named(self, name: str) -> Self:
        """Return the same task under another name."""
        renamed = copy.copy(self)
        renamed.name = name
        return renamed

    def __str__(self) -> str:
        return "\n".join(_tree(self))

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"

    async def _body(self, ctx: Context) -> None:
        """Do the work; what it raises is what leaves the task."""
        raise NotImplementedError  # pragma: no cover - every kind of task has its own

    def launch(self, loop: asyncio.AbstractEventLoop, ctx: Context) -> asyncio.Task[Outcome]:
        """Run the body in an asyncio task of its own, which never raises and is never cancelled by tasker."""
        return loop.create_task(loops.outcome_of(self._body, ctx), name=self.name)


class _PlainCall(Task):
    """A plain function. It runs in a worker thread, or in the thread that drives the tree."""

    runs_in_one_thread = True
    counts_starts = True

    def __init__(self, function: Callable[..., Any], keyword: str | None, name: str) -> None:
        super().__init__(name)
        self._function = function
        self._keyword = keyword

    async def _body(self, ctx: Context) -> None:
        if ctx._cause is not None:
            raise cancelled_by(ctx._cause)
        self.starts += 1
        token = _current.set(ctx)
        doing = threads.here.doing
        before, doing.name = doing.name, self.name
        try:
            result = call_under(ctx, self._function, self._keyword)
            if result is not None and inspect.isawaitable(result):
                calling.run_here(_Awaiting(result, self.name), ctx, None)
        except BaseException as error:
            left = leaving(error, ctx, self.name)
            if left is error:
                raise
            raise left from left.__cause__
        finally:
            _current.reset(token)
            doing.name = before


class AsyncCall(Task):
    """A coroutine function. It runs in an asyncio task of its own, which is cancelled when its context ends."""

    is_cancelled_natively = True
    counts_starts = True

    def __init__(self, function: Callable[..., Any], keyword: str | None, name: str) -> None:
        super().__init__(name)
        self._function = function
        self._keyword = keyword

    def launch(self, loop: asyncio.AbstractEventLoop, ctx: Context) -> asyncio.Task[Outcome]:
        return loop.create_task(self.outcome(ctx), name=self.name)

    async def _body(self, ctx: Context) -> None:
        await calling.settle(self, ctx, None)

    async def outcome(self, ctx: Context) -> Outcome:
        """Run the user's coroutine and return what leaves the task.

        It is returned, not raised, since an asyncio task that ends with `SystemExit` takes the whole loop with it.
        """
        if ctx._cause is not None:
            return cancelled_by(ctx._cause)
        self.starts += 1
        _current.set(ctx)
        try:
            await call_under(ctx, self._function, self._keyword)
        except BaseException as error:  # noqa: BLE001 - nothing is lost, it is returned
            return leaving(error, ctx, self.name)
        return None


class _Awaiting(AsyncCall):
    """What a plain function returned, and wants awaited."""

    def __init__(self, awaitable: Awaitable[Any], name: str) -> None:
        super().__init__(lambda: awaitable, None, name)
        self._awaitable = awaitable

    async def outcome(self, ctx: Context) -> Outcome:
        if ctx.done and inspect.iscoroutine(self._awaitable):
            self._awaitable.close()  # or Python warns that it was never awaited
        return await super().outcome(ctx)


def to_task(f: TaskLike, name: str | None = None) -> Task:
    """Make a task of anything that can be one; a task stays itself.

    A sync function runs in a worker thread, an async one on the loop. The context is passed to a required positional
    parameter, to one that is named `ctx`, or to one annotated `Context`; if there is none, nothing is passed.

    Args:
        f: A function, bound method, `functools.partial`, callable object, or object with a `run` method.
        name: What people see; `None` means the name of the function.

    Raises:
        TypeError: It cannot be a task: a class, a generator function, a coroutine object, a function that requires more
            than one argument.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name: expected a string or None, got {name!r}")
    if isinstance(f, Task):
        return f if name is None else f.named(name)
    found = call_of(f)
    kind = AsyncCall if found.is_async else _PlainCall
    return kind(found.function, found.keyword, name or found.name)


def to_tasks(given: Sequence[TaskLike]) -> list[Task]:
    """Make a task of each.

    Raises:
        TypeError: One of them cannot be a task; a collection is told about the star.
    """
    for each in given:
        if type(each) in _COLLECTIONS:
            raise TypeError(f"expected tasks one by one, got {each!r}; unpack it, as in sequence(*tasks)")
    return [to_task(each) for each in given]


def run(
    task: TaskLike, ctx: Context | None = None, *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> None:
    """Run anything that can be a task, and block until all of it has ended; see `Task.run`."""
    to_task(task).run(ctx, loop_factory=loop_factory)


def current_or(ctx: Context | None) -> Context:
    """Return `ctx`, or the current context if it is `None`.

    Raises:
        TypeError: It is no context.
    """
    if ctx is None:
        return _current.get()
    if not isinstance(ctx, Context):
        raise TypeError(f"ctx: expected a Context or None, got {ctx!r}")
    return ctx


def call_under(ctx: Context, function: Callable[..., Any], keyword: str | None) -> Any:  # noqa: ANN401 - the user's
    """Call a function of the user's with the context where it takes it, and return what it returns."""
    # Not bound to the function beforehand: a closure for each task is 200 bytes.
    if keyword is None:
        return function()
    return function(**{keyword: ctx}) if keyword else function(ctx)


def _tree(task: Task) -> list[str]:
    lines = [task.name]
    shown = task.children[:_SHOWN]
    rest = len(task.children) - len(shown)
    for number, child in enumerate(shown, 1):
        is_last = number == len(shown) and not rest
        branch, below = ("└── ", "    ") if is_last else ("├── ", "│   ")
        first, *others = _tree(child)
        lines.append(branch + first)
        lines.extend(below + line for line in others)
    if rest:
        lines.append(f"└── … and {rest:,} more")
    return lines
