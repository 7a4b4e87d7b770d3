"""From the start of a process until nothing of it is left.

When the context ends, the process is asked to stop, in the thread that ends the context: a blocked event loop does not
delay that. When the grace is over, the clock thread kills it. When its leader has ended, what is left of its group is
killed too: at once if it ended by itself; if it was asked to stop, the others have the rest of the grace, as long as
they hold its pipes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence

from tasker._core import clock
from tasker._core.changes import Changes
from tasker._core.context import AtEnd, Context
from tasker.combinators._budget import grace_within
from tasker.serve._child import Child
from tasker.serve._pipe_reader import PipeReader

# What a process has written may still be in its pipe when all that could write to it has been killed; if something has
# left the group and holds the pipe, it is not waited for.
_FOR_THE_REST = 1.0


class Supervision:
    """One run of a process; it belongs to the loop, except what `_stop` and `_kill` do.

    Attributes:
        was_asked: Whether it was asked to stop before it had ended.
        was_killed: Whether it had to be killed.
    """

    def __init__(
        self,
        child: Child,
        pipes: Sequence[PipeReader],
        changes: Changes,
        ask: Callable[[], object],
        grace: float,
        *,
        ends_with_pipes: bool = False,
    ) -> None:
        """Not yet waiting.

        Args:
            child: The process.
            pipes: What is read to its end.
            changes: What hears of the end of the process and of the pipes.
            ask: Asks the process to stop, from any thread; quick, and neither blocking nor raising.
            grace: The seconds it has then.
            ends_with_pipes: Whether it also has no more than that once it has closed its pipes.
        """
        self.was_asked = False
        self.was_killed = False
        self._child = child
        self._pipes = pipes
        self._changes = changes
        self._ask = ask
        self._grace = grace
        self._ends_with_pipes = ends_with_pipes
        # Guards the timer: the context may end in the moment in which the process does. Re-entrant, since the garbage
        # collector may run anywhere, and close the coroutine of this very run.
        self._lock = threading.RLock()
        self._timer: clock.Timer | None = None
        self._is_over = False

    async def run(self, ctx: Context) -> int:
        """Wait for the end of the process, and return its exit status; it ends at the latest a grace after `ctx`."""
        try:
            with AtEnd(ctx, lambda: self._stop(ctx)):
                await self._until_it_has_ended()
                if self.was_asked:
                    await self._changes.wait_until(lambda: self.was_killed or self._is_read())
            status = self._child.reap()
            await self._changes.wait_until(self._is_read, _FOR_THE_REST)
        except BaseException:
            self._child.give_up()  # its task was given up before, and is taken apart
            raise
        finally:
            with self._lock:
                self._is_over = True
                if self._timer is not None:
                    self._timer.cancel()
            for pipe in self._pipes:
                pipe.close()
        return status

    async def _until_it_has_ended(self) -> None:
        child = self._child
        if self._ends_with_pipes:
            await self._changes.wait_until(lambda: child.has_ended or self._is_read())
            await self._changes.wait_until(lambda: child.has_ended or self.was_asked, self._grace)
            if not (child.has_ended or self.was_asked):
                self._kill()
        await self._changes.wait_until(lambda: child.has_ended)

    def _is_read(self) -> bool:
        return all(pipe.is_at_end for pipe in self._pipes)

    def _stop(self, ctx: Context) -> None:
        now = clock.current()
        with self._lock:
            if self._child.has_ended or self._is_over:
                return
            self.was_asked = True
            # Before it is asked: it may have ended a moment later, and all that waits for it with it.
            self._timer = now.call_at(now.monotonic() + grace_within(ctx, self._grace), self._kill)
        self._ask()

    def _kill(self) -> None:
        self.was_killed = True
        self._child.signal(signal.SIGKILL)
        self._changes.post()
