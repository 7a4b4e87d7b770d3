"""A task that runs again and again, in this process, by a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from tasker._core import clock
from tasker._core.callables import TaskLike
from tasker._core.calling import perform
from tasker._core.context import Context
from tasker._core.decorator import Decorator
from tasker._core.task import Task, to_task
from tasker._core.waiting import wait_for_end_async
from tasker.errors import Cancelled
from tasker.schedule import Interval, Schedule
from tasker.schedule._protocol import checked

# The wall clock may be set, and a machine may sleep; no wait relies on it for longer than this.
_LOOK_AGAIN_AFTER = 60.0


class _Repeat(Task):
    def __init__(self, schedule: Schedule, task: Task) -> None:
        super().__init__(f"with_repeat {schedule}", [task])
        self._schedule = schedule
        self._task = task

    async def _body(self, ctx: Context) -> None:
        try:
            if isinstance(self._schedule, Interval) and self._schedule.anchor is None:
                await self._run_with_pauses(ctx, self._schedule.interval.total_seconds())
            else:
                await self._run_at_slots(ctx)
        except Cancelled:
            if not ctx.done:
                raise

    async def _run_with_pauses(self, ctx: Context, seconds: float) -> None:
        while not ctx.done:
            await perform(self._task, ctx)
            await wait_for_end_async(ctx, seconds)

    async def _run_at_slots(self, ctx: Context) -> None:
        last = _now()
        # A wall clock that is set back does not bring back slots that have been run.
        while (found := self._schedule.next_after(max(last, _now()))) is not None:
            slot = found.astimezone(UTC)  # an instant, whatever its zone says later
            while not ctx.done and (seconds := (slot - _now()).total_seconds()) > 0:
                await wait_for_end_async(ctx, min(seconds, _LOOK_AGAIN_AFTER))
            if ctx.done:
                return
            last = slot
            await perform(self._task, ctx)


def _now() -> datetime:
    return datetime.fromtimestamp(clock.current().time(), UTC)


@overload
def with_repeat(schedule: Schedule) -> Decorator: ...
@overload
def with_repeat(schedule: Schedule, task: TaskLike) -> Task: ...
def with_repeat(schedule: Schedule, task: TaskLike | None = None) -> Task | Decorator:
    """Run a task at each slot of a schedule, in this process, until the context ends; then return normally.

    It is never run twice at once: slots that pass while it runs are passed over. An error ends the repetition and is
    raised. An `Interval` without anchor runs at once, and then that long after the end of each run; every other
    schedule waits for its first slot. If the schedule has no more slots, it returns.

    Nothing is remembered when the process ends, and each instance repeats for itself; for the rest there is
    `Scheduler.with_schedule`.

    Args:
        schedule: When to run.
        task: If it is left out, a decorator is returned.

    Raises:
        TypeError: The task cannot be one, or the schedule is none.
    """
    checked(schedule, "schedule")
    if task is None:
        return Decorator(f"with_repeat({schedule!r})", lambda given: _Repeat(schedule, to_task(given)))
    return _Repeat(schedule, to_task(task))
