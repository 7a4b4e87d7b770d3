"""Tasks that run while a block of code does: a web framework's lifespan, a test, a notebook, a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from tasker._core.callables import TaskLike
from tasker._core.context import Context
from tasker._core.durations import Duration, seconds_of
from tasker._core.task import Task, to_tasks
from tasker._core.waiting import refuse_on_loop
from tasker.combinators._block import AsyncBlock, SyncBlock


class Background:
    """Runs tasks while a `with` or `async with` block does; made by `background`.

    It can be used again after the end of a block, not at the same time.
    """

    def __init__(
        self, tasks: list[Task], grace: float, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
    ) -> None:
        """Not for use outside: see `background`."""
        self._tasks = tasks
        self._grace = grace
        self._loop_factory = loop_factory
        self._sync: SyncBlock | None = None
        self._async: AsyncBlock | None = None

    def __enter__(self) -> Context:
        refuse_on_loop("the block of `with background()`", "`async with background()`")
        self._refuse_a_second_use()
        block = SyncBlock(self._tasks, self._grace)
        try:
            block.begin(self._loop_factory)
        except BaseException:
            block.close()
            raise
        self._sync = block
        return block.ctx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        block, self._sync = self._sync, None
        if block is not None:
            block.end(error)

    async def __aenter__(self) -> Context:
        self._refuse_a_second_use()
        self._async = AsyncBlock(self._tasks, self._grace)
        return self._async.ctx

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        block, self._async = self._async, None
        if block is not None:
            await block.end(error)

    def __repr__(self) -> str:
        return f"<background {', '.join(repr(task.name) for task in self._tasks)}>"

    def _refuse_a_second_use(self) -> None:
        if self._sync is not None or self._async is not None:
            raise RuntimeError("this background runs already; make another one for another block at the same time")


def background(
    *tasks: TaskLike,
    grace: Duration = 25,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Background:
    """Run tasks while a block of code does.

    ```python
    import tasker


    def heartbeat(ctx):
        while not ctx.wait(0.01):
            print("alive")


    with tasker.background(heartbeat) as ctx:
        ctx.sleep(0.05)
    ```

    The block gets the context of the tasks. It is derived from the current context, so inside a task they end with it.

    - `async with` runs them on the loop that runs here.
    - `with` runs them on a loop in a thread of its own; inside a sync task, on the loop that runs already.

    A failure is logged with its traceback when it happens, and ends the context, and with it the other tasks. An async
    block is then canceled natively, once, as by `asyncio.TaskGroup`; plain code sees the end of the context. A task
    that returns ends nothing.

    At the end of the block the context ends, if it has not, and the tasks are waited for. What still runs when the
    grace is over is named in `ShutdownTimeout`, with its stack in the log, and is left behind: in the process, since a
    block must not end that, but nobody waits for it any more. The grace begins when the context ends, for whatever
    reason. Inside `main` it is never more than what is left of the budget, less a tenth.

    Failures are raised at the end of the block, always as a group; an error of the block itself is in it too. Without
    failures the error of the block goes on as it is. A `Cancelled`, a cancellation of asyncio or a `GeneratorExit` of
    the block gives way to failures.

    It listens to no signals, and does not end the process.

    Args:
        tasks: Anything that can be a task.
        grace: How long stopping may take.
        loop_factory: Makes the loop where `with` needs one of its own; `None` means the default loop of asyncio.

    Raises:
        TypeError: One of the tasks cannot be one.
        ValueError: The grace is negative or not finite.
        RuntimeError: (`with`) An event loop runs in this thread: it would be blocked, so use `async with` there.
        Cancelled: (at the beginning) The current context has ended already; nothing is started.
        BaseExceptionGroup: (at the end) Tasks failed, or still run after the grace; an `ExceptionGroup` if all of the
            errors are exceptions.
        SystemExit: (at the end) A task asked for the end of the program; likewise `KeyboardInterrupt`.
    """
    return Background(to_tasks(tasks), seconds_of(grace, "grace"), loop_factory)
