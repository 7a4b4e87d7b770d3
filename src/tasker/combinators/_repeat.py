"""A task that runs again and again, in this process, by a schedule."""

from __future__ import annotations

from typing import overload

from tasker._core import clock
from tasker._core.callables import TaskLike
from tasker._core.context import Context
from tasker._core.decorator import Decorator
from tasker._core.instants import instant_of, micros_of
from tasker._core.task import Task, to_task
from tasker._core.turns import Turns
from tasker.errors import Cancelled
from tasker.schedule import Interval, Schedule
from tasker.schedule._protocol import checked

# The wall clock may be set, and a machine may sleep; no wait relies on it for longer than this.
_LOOK_AGAIN_AFTER = 60.0


class _Repeat(Task):
    def __init__(self, schedule: Schedule, task: Task) -> None:
        super().__init__(f"with_repeat {schedule}", [task])
        self._schedule = schedule

    async def _body(self, ctx: Context) -> None:
        with Turns(ctx) as turns:
            try:
                if isinstance(self._schedule, Interval) and self._schedule.anchor is None:
                    await self._run_with_pauses(ctx, turns, self._schedule.interval.total_seconds())
                else:
                    await self._run_at_slots(ctx, turns)
            except Cancelled:
                if not ctx.done:
                    raise

    async def _run_with_pauses(self, ctx: Context, turns: Turns, seconds: float) -> None:
        (task,) = self.children
        while not ctx.done:
            await turns.perform(task)
            await turns.pause(seconds)

    async def _run_at_slots(self, ctx: Context, turns: Turns) -> None:
        (task,) = self.children
        last = now = _now()
        # A wall clock that is set back does not bring back slots that have been run.
        while (slot := self._slot_after(max(last, now))) is not None:
            while slot > now and not ctx.done:
                await turns.pause(min((slot - now) / 1_000_000, _LOOK_AGAIN_AFTER))
                now = _now()
            if ctx.done:
                return
            await turns.perform(task)
            last, now = slot, _now()

    def _slot_after(self, micros: int) -> int | None:
        if type(self._schedule) is Interval:  # one derived from it may have slots of its own
            return self._schedule.next_micros(micros)
        slot = self._schedule.next_after(instant_of(micros))
        return None if slot is None else micros_of(slot)  # an instant, whatever its zone says later


def _now() -> int:
    return round(clock.current().time() * 1_000_000)


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
