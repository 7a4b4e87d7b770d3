"""Contexts: they tell a task when and why to stop.

A context is a node in a tree. It ends once, with a cause; all that was derived from it ends with it, for the same
cause. Whoever wants to hear of the end attaches a *hook*: a derived context is a hook of its parent, and so is
everything that waits. Hooks are called in the thread that ends the context, so they are quick, never block and never
raise.

Any thread and any loop may use a context. Each node has its own lock for its cause and hooks; no code ever holds two
of them. The locks here, in the clock and in the pool of threads may be taken again by the thread that holds them: the
garbage collector may run anywhere, and close a coroutine whose `finally` comes back here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from math import inf
from types import TracebackType
from typing import Any, Self, TypeVar

from tasker._core import clock, threads, waiting
from tasker._core.durations import Duration, seconds_of
from tasker._core.instants import aware
from tasker.errors import Cancelled, DeadlineExceeded

logger = logging.getLogger("tasker")

_C = TypeVar("_C", bound="Context")
_Values = tuple[object, object, Any] | None  # (key, value, the rest)
_Deadline = tuple[float, datetime] | None  # on the monotonic clock, and for people


class Context:
    """Tells a task when and why to stop, and carries values down to it.

    Get one from `Context.background()`, or as the argument of a task; derive others from it.
    It is safe to use from any thread and any event loop.
    """

    __slots__ = ("__weakref__", "_cause", "_deadline", "_hooks", "_lock", "_parent", "_timer", "_values")

    def __init__(self, parent: Context | None, values: _Values, deadline: _Deadline) -> None:
        """Not for use outside: see `background` and the methods that derive."""
        self._parent = parent
        self._values = values
        self._deadline = deadline
        self._lock = threading.RLock()
        self._cause: BaseException | None = None
        self._hooks: dict[Context | Callable[[], object], None] | None = None
        self._timer: clock.Timer | None = None
        if parent is not None and not parent._attach(self):
            self._end(parent._cause)

    @staticmethod
    def background() -> Context:
        """Return the context that never ends and has no values: where every tree of contexts starts."""
        return _BACKGROUND

    @property
    def done(self) -> bool:
        """Whether the context has ended."""
        return self._cause is not None

    @property
    def cause(self) -> BaseException | None:
        """Why the context ended; `None` while it has not.

        That is what `cancel` was given, else a `Cancelled`, a `DeadlineExceeded` or a `LeaseLost`.
        """
        return self._cause

    @property
    def deadline(self) -> datetime | None:
        """When the context ends at the latest, in UTC; `None` if no deadline was set.

        It is kept on the monotonic clock: a jump of the wall clock does not move the end.
        """
        return None if self._deadline is None else self._deadline[1]

    def remaining(self) -> float:
        """Return the seconds that are left until the deadline: never negative, `inf` without a deadline."""
        return inf if self._deadline is None else max(0.0, self._deadline[0] - clock.current().monotonic())

    def wait(self, timeout: Duration | None = None) -> bool:
        """Block until the context ends, or until the timeout is over; for sync tasks.

        Args:
            timeout: `None` means no limit.

        Returns:
            Whether the context has ended.

        Raises:
            RuntimeError: An event loop runs in this thread; await `wait_async` there.
        """
        seconds = None if timeout is None else seconds_of(timeout, "timeout")
        waiting.refuse_on_loop("ctx.wait()", "await ctx.wait_async()")
        return waiting.wait_for_end(self, seconds)

    async def wait_async(self, timeout: Duration | None = None) -> bool:
        """Wait until the context ends, or until the timeout is over.

        In an async task, tasker cancels this wait like any other when the context ends, so on its own context it
        returns only by the timeout.

        Args:
            timeout: `None` means no limit.

        Returns:
            Whether the context has ended.
        """
        return await waiting.wait_for_end_async(self, None if timeout is None else seconds_of(timeout, "timeout"))

    def sleep(self, duration: Duration) -> None:
        """Block for the duration; for sync tasks.

        Raises:
            Cancelled: The context ended before.
            RuntimeError: An event loop runs in this thread; await `asyncio.sleep` or `wait_async` there.
        """
        seconds = seconds_of(duration, "duration")
        waiting.refuse_on_loop("ctx.sleep()", "await asyncio.sleep() or await ctx.wait_async()")
        if waiting.wait_for_end(self, seconds):
            self.raise_if_done()

    def raise_if_done(self) -> None:
        """Raise `Cancelled`, with the cause as its `__cause__`, if the context has ended."""
        if self._cause is not None:
            raise cancelled_by(self._cause)

    def on_done(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback` called once in a worker thread when the context ends; at once if it has ended.

        What it raises is logged. So is that it was not called, where the system has no thread for it.

        Returns:
            A function that unregisters it; it does not wait for a callback that has begun.
        """
        if not callable(callback):
            raise TypeError(f"on_done: expected something to call, got {callback!r}")

        def call() -> None:
            try:
                callback()
            except Exception:
                logger.exception("an on_done callback failed: %r", callback)

        def hook() -> None:
            try:
                threads.submit(call)
            except RuntimeError:  # the others must hear of the end all the same
                logger.exception("an on_done callback was not called, since there is no thread for it: %r", callback)

        if not self._attach(hook):
            hook()
        return lambda: self._detach(hook)

    def value(self, key: object, default: Any = None) -> Any:  # noqa: ANN401 - the caller knows what it put in
        """Return what the nearest `with_value` gave for `key`, else `default`."""
        values = self._values
        while values is not None:
            if values[0] == key:
                return values[1]
            values = values[2]
        return default

    def with_cancel(self) -> CancelContext:
        """Derive a context that can be ended by its own `cancel`."""
        return CancelContext(self, self._values, self._deadline)

    def with_timeout(self, duration: Duration) -> CancelContext:
        """Derive a context that ends after the duration, with a `DeadlineExceeded` as cause.

        A deadline of this context that comes first stays the deadline.
        """
        return self._with_deadline_in(CancelContext, seconds_of(duration, "duration"))

    def with_deadline(self, at: datetime) -> CancelContext:
        """Derive a context that ends at an instant, with a `DeadlineExceeded` as cause.

        Raises:
            ValueError: `at` is naive.
        """
        delay = aware(at, "at").timestamp() - clock.current().time()
        return self._with_deadline_in(CancelContext, max(0.0, delay), at.astimezone(UTC))

    def with_value(self, key: object, value: object) -> DerivedContext:
        """Derive a context that carries a value; take a key of your own type, or a name that nobody else takes."""
        return DerivedContext(self, (key, value, self._values), self._deadline)

    def without_cancel(self) -> DerivedContext:
        """Derive a context that keeps the values, but neither ends with this one nor has its deadline."""
        return DerivedContext(None, self._values, None)

    def __repr__(self) -> str:
        if self._cause is not None:
            return f"<{type(self).__name__} ended: {self._cause!r}>"
        return (
            f"<{type(self).__name__}>" if self._deadline is None else f"<{type(self).__name__} until {self.deadline}>"
        )

    def _with_deadline_in(self, kind: type[_C], seconds: float, at: datetime | None = None) -> _C:
        now = clock.current()
        when = now.monotonic() + seconds
        if self._deadline is not None and self._deadline[0] <= when:
            return kind(self, self._values, self._deadline)
        if at is None:
            at = _datetime_in(now.time(), seconds)
        ctx = kind(self, self._values, (when, at))
        if seconds == 0:
            ctx._expire()
        elif seconds < _FOREVER:
            ctx._keep(now.call_at(when, ctx._expire))
        return ctx

    def _keep(self, timer: clock.Timer) -> None:
        with self._lock:
            if self._cause is None:
                self._timer = timer
                return
        timer.cancel()  # it ended in the meantime

    def _expire(self) -> None:
        self._end(DeadlineExceeded("the deadline passed"))

    def _attach(self, hook: Context | Callable[[], object]) -> bool:
        """Have the hook called, or the derived context ended, at the end; say no if that has come already."""
        with self._lock:
            if self._cause is not None:
                return False
            if self._hooks is None:
                self._hooks = {}
            self._hooks[hook] = None
            return True

    def _detach(self, hook: Context | Callable[[], object]) -> None:
        with self._lock:
            if self._hooks is not None:
                self._hooks.pop(hook, None)

    def _close(self, cause: BaseException) -> None:
        """End this context and take it out of its parent."""
        self._end(cause)
        if self._parent is not None:
            self._parent._detach(self)

    def _end(self, cause: BaseException | None) -> None:
        """End this context and all below it; the first cause wins."""
        found = self._mark_ended(cause)
        if not found:
            return
        # Not recursive: a chain of contexts may be longer than the stack is deep.
        reached: list[Context | Callable[[], object]] = list(found)
        hooks: list[Callable[[], object]] = []
        for hook in reached:
            if isinstance(hook, Context):
                reached += hook._mark_ended(cause)
            else:
                hooks.append(hook)
        # Not before: whoever they wake finds that all contexts below have ended too.
        for call in hooks:
            call()

    def _catch_up(self) -> None:
        """End now if a context above has ended, and the thread that ended it has not come down to this one yet."""
        node = self
        while (parent := node._parent) is not None:
            if parent._cause is not None:
                node._end(parent._cause)
                return
            node = parent

    def _mark_ended(self, cause: BaseException | None) -> tuple[Context | Callable[[], object], ...]:
        with self._lock:
            if self._cause is not None:
                return ()
            self._cause = cause
            hooks, self._hooks = self._hooks, None
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return tuple(hooks) if hooks else ()


class _Background(Context):
    __slots__ = ()

    def _attach(self, hook: Context | Callable[[], object]) -> bool:
        del hook  # it would wait for ever
        return True

    def _detach(self, hook: Context | Callable[[], object]) -> None:
        pass


class DerivedContext(Context):
    """A context with an end of its own: the end of its `with` block."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(Cancelled("the block of the context was left"))


class CancelContext(DerivedContext):
    """A context that its holder can end: what `with_cancel`, `with_timeout` and `with_deadline` return."""

    __slots__ = ()

    def cancel(self, cause: BaseException | None = None) -> None:
        """End the context, and all that is derived from it; if it has ended already, nothing changes.

        It returns without waiting for the tasks that stop because of it.

        Args:
            cause: The reason, which the tasks find as `ctx.cause`; `None` means a plain `Cancelled`.

        Raises:
            TypeError: The cause is no exception.
        """
        if cause is not None and not isinstance(cause, BaseException):
            raise TypeError(f"cause: expected an exception or None, got {cause!r}")
        self._close(Cancelled("cancelled") if cause is None else cause)


class AtEnd:
    """Has a hook called when a context ends, at once if it has ended; no more after `detach` or its `with` block."""

    __slots__ = ("_ctx", "_hook")

    def __init__(self, ctx: Context, hook: Callable[[], object]) -> None:
        """Attach the hook; it is quick, does not block and does not raise, and is called in whichever thread."""
        self._ctx = ctx
        self._hook = hook
        if not ctx._attach(hook):
            hook()

    def detach(self) -> None:
        """Have the hook called no more."""
        self._ctx._detach(self._hook)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.detach()


class Scope:
    """What a combinator runs its tasks under: a context that it can end, and that its tasks cannot.

    It ends with its `with` block.
    """

    __slots__ = ("ctx",)

    def __init__(self, parent: Context, seconds: float | None = None) -> None:
        """Derive the context; with `seconds`, it ends after these at the latest."""
        if seconds is None:
            self.ctx = Context(parent, parent._values, parent._deadline)
        else:
            self.ctx = parent._with_deadline_in(Context, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ctx._close(Cancelled("the combinator ended"))

    def end(self, cause: BaseException) -> None:
        """End the context of the tasks; the first cause wins."""
        self.ctx._end(cause)


_FOREVER = 10.0 * 366 * 24 * 3600
_BACKGROUND = _Background(None, None, None)
_current: ContextVar[Context] = ContextVar("tasker.context", default=_BACKGROUND)


def current_context() -> Context:
    """Return the context of the task that runs here; outside any task, the background context."""
    return _current.get()


def cancelled_by(cause: BaseException | None) -> Cancelled:
    """Return a new `Cancelled` whose `__cause__` is the reason why a context ended."""
    error = Cancelled("cancelled" if cause is None else f"the context ended: {str(cause) or type(cause).__name__}")
    error.__cause__ = cause
    return error


def _datetime_in(now: float, seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
