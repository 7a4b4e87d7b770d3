"""Tasks that run beside a block of code: their beginning, their end, and what becomes of their errors.

There are two kinds. A block of plain code waits for its tasks at a gate; they run on a loop in a thread of their own,
or, inside a sync task, on the loop that runs already. An async block shares its loop with its tasks, and so it can be
canceled when one of them fails.

State: what `_Tending` has belongs to the loop's thread. The failures are put in there, and taken out by the block when
the tasks have ended or been given up.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from functools import partial

from tasker._core import calling, clock, loops, threads
from tasker._core.context import AtEnd, Context, Scope, current_context
from tasker._core.leaving import Outcome, is_cancellation
from tasker._core.mailbox import mailbox_of
from tasker._core.task import Task
from tasker._core.waiting import Gate
from tasker.combinators._budget import TimeToStop
from tasker.combinators._group import Group, log_failure, together
from tasker.combinators._stacks import running_tasks
from tasker.errors import Cancelled, ShutdownTimeout

logger = logging.getLogger("tasker")

# A loop that is given up closes within a second, unless something blocks it.
_TO_CLOSE = 2.0


class _Watched(Task):
    """A task of a block; remembers whether it is over."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.name, [task])
        self.starting = self.children
        self.runs_in_one_thread = task.runs_in_one_thread
        self._task = task
        self.is_over = False

    async def _body(self, ctx: Context) -> None:
        try:
            await calling.perform(self._task, ctx)
        finally:
            self.is_over = True


class _Tending:
    """The tasks of a block on the loop that runs them; made and used in its thread."""

    def __init__(
        self, tasks: list[_Watched], scope: Scope, on_failure: Callable[[Task, BaseException], object]
    ) -> None:
        self.mailbox = mailbox_of(asyncio.get_running_loop())
        self._scope = scope
        self._completion = calling.Completion(self.mailbox.loop)
        group = Group(scope, on_failure)
        outcome = loops.outcome_of(lambda: group.run(tasks))
        self.running = self.mailbox.loop.create_task(outcome, name="background")
        self.running.add_done_callback(lambda _: self._completion.finish())

    async def until_over(self) -> CancelledError | None:
        """Wait until the tasks have ended or are given up; return the first native cancellation that came meanwhile."""
        return await self._completion.wait(self._interrupt)

    def give_up(self) -> None:
        """Wait no longer."""
        if not self.running.done():
            loops.abandon(self.running)
            self._completion.finish()

    def failure(self) -> Outcome:
        """Return what went wrong with the running of the tasks as a whole, such as a loop that makes no more tasks."""
        if not self.running.done() or self.running.cancelled() or is_cancellation(self.running.result()):
            return None
        return self.running.result()

    def _interrupt(self) -> None:
        self._scope.end(Cancelled("the awaiting asyncio task was cancelled"))


class _Block:
    """What both kinds have in common: the context, the time for stopping, and the errors."""

    def __init__(self, tasks: list[Task], grace: float) -> None:
        """Make the context of a block that begins now.

        Raises:
            Cancelled: The current context has ended already.
        """
        above = current_context()
        above.raise_if_done()
        self._tasks = [_Watched(task) for task in tasks]
        self._time = TimeToStop(grace, above)
        self._outer = self._time.under(above)
        self._scope = Scope(self._outer)
        # Not taken back: the block ends the scope.
        AtEnd(self._scope.ctx, self._time.begin)
        self._tending: _Tending | None = None
        self._failures: list[BaseException] = []

    @property
    def ctx(self) -> Context:
        return self._scope.ctx

    def close(self) -> None:
        """End the context, also for a block that could not begin."""
        self._outer._close(Cancelled("the block was left"))

    def _tend(self) -> _Tending:
        """Start the tasks on the loop that runs here."""
        self._tending = _Tending(self._tasks, self._scope, self._failed)
        return self._tending

    def _failed(self, task: Task, error: BaseException) -> None:
        self._failures.append(error)
        log_failure(task, error)

    def _end(self) -> None:
        self._scope.end(Cancelled("the block was left"))

    def _give_up(self) -> None:
        """Report what still runs; it is not waited for any longer."""
        loop = None if self._tending is None else self._tending.mailbox.loop
        running = running_tasks(loop)
        asked_for = self._time.asked_for()
        names: list[str] = []
        for task in self._tasks:
            if not task.is_over:
                inside = frozenset(_names_in(task))
                found = [each for each in running if each.name in inside]
                names.extend([each.name for each in found] or [task.name])
                for each in found:
                    logger.error("%s", each.told(asked_for))
        self._failures.append(ShutdownTimeout(tuple(names) or ("the event loop",), self._time.grace))

    def _raise(self, own: BaseException | None) -> None:
        """Raise what went wrong in the background, if anything did, together with the error of the block itself."""
        whole = None if self._tending is None else self._tending.failure()
        failures = self._failures or ([] if whole is None else [whole])
        is_of_its_own = own is not None and not is_cancellation(own) and not isinstance(own, GeneratorExit)
        try:
            if not failures:
                return
            if own is not None and is_of_its_own and all(own is not each for each in failures):
                error = together([own, *failures], "errors in the block and in its background tasks")
            else:
                error = together(failures, "errors in background tasks")
            # The error of the block is in there already.
            raise error from error.__cause__
        finally:
            # Their tracebacks hold this frame.
            del own, whole, failures
            self._failures = []


class SyncBlock(_Block):
    """A block of plain code."""

    def __init__(self, tasks: list[Task], grace: float) -> None:
        super().__init__(tasks, grace)
        self._has_loop = Gate()
        self._ended = Gate()
        self._own_failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def begin(self, loop_factory: calling.LoopFactory | None) -> None:
        """Start the tasks.

        Raises:
            BaseException: No loop could be made, by what `loop_factory` raised.
        """
        variables = contextvars.copy_context()
        home = calling.home_here()
        if home is not None:
            home.post(partial(variables.run, self._tend_on_home))
            return
        factory = loop_factory or calling.loop_factory_here()
        self._thread = threads.start("tasker-background", lambda: self._work(variables, factory))
        self._has_loop.wait()
        if self._tending is None and self._own_failure is not None:
            raise self._own_failure

    def end(self, own: BaseException | None) -> None:
        """Stop the tasks, wait for them within the grace, and raise what went wrong."""
        try:
            self._end()
            if not self._ended.wait(self._time.rest()):
                self._give_up()
                if self._tending is not None:
                    self._tending.mailbox.post(self._tending.give_up)
            if self._thread is not None and (self._ended.is_open or self._ended.wait(_TO_CLOSE)):
                self._thread.join()
        finally:
            self.close()
        if self._own_failure is not None:
            self._failures.append(self._own_failure)
        self._raise(own)

    def _tend_on_home(self) -> None:
        self._tend().running.add_done_callback(lambda _: self._ended.open())

    def _work(self, variables: contextvars.Context, loop_factory: calling.LoopFactory | None) -> None:
        """Run a loop for the tasks; the work of a thread."""
        try:
            outcome = variables.run(loops.run_in_new_loop, self._tend_on_new_loop, loop_factory)
        except BaseException as error:  # noqa: BLE001 - it is raised where the block begins or ends
            outcome = error
        if outcome is not None and not is_cancellation(outcome):
            self._own_failure = outcome
            self._end()
        self._has_loop.open()
        self._ended.open()

    async def _tend_on_new_loop(self) -> None:
        tending = self._tend()
        self._has_loop.open()
        await tending.until_over()


class AsyncBlock(_Block):
    """A block of async code, on the loop of its tasks; everything in it belongs to that loop."""

    def __init__(self, tasks: list[Task], grace: float) -> None:
        """Start the tasks."""
        super().__init__(tasks, grace)
        self._host = asyncio.current_task()
        self._is_open = True
        self._has_canceled = False
        try:
            self._here = self._tend()
        except BaseException:
            self.close()
            raise

    async def end(self, own: BaseException | None) -> None:
        """Stop the tasks, wait for them within the grace, and raise what went wrong."""
        self._is_open = False
        try:
            self._end()
            timer = clock.current().call_later_on(self._here.mailbox.loop, self._time.rest(), self._late)
            interruption = await self._here.until_over()
            timer.cancel()
        finally:
            self.close()
            if self._has_canceled and self._host is not None:
                self._host.uncancel()
        self._raise(own)
        if interruption is not None and own is None:
            raise interruption

    def _failed(self, task: Task, error: BaseException) -> None:
        super()._failed(task, error)
        # Once only, and through the loop: tasks end while the block waits for something, which is canceled now.
        if self._is_open and not self._has_canceled and self._host is not None:
            self._has_canceled = self._host.cancel()

    def _late(self) -> None:
        if not self._here.running.done():
            self._give_up()
            self._here.give_up()


def _names_in(task: Task) -> Iterator[str]:
    yield task.name
    for child in task.children:
        yield from _names_in(child)
