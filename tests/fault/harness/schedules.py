"""What each instance runs: quick and slow tasks, sync and async, good ones and one that does not listen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A schedule and its task.

    Attributes:
        id: The id of the schedule.
        every: The seconds between its slots, which are counted from 1970.
        steps: How often its task writes.
        pause: The seconds after each write.
        is_async: Whether the task is a coroutine.
        is_stubborn: Whether it ignores that its context has ended.
        runs_all: Whether no slot may be skipped.
    """

    id: str
    every: int
    steps: int
    pause: float
    is_async: bool = False
    is_stubborn: bool = False
    runs_all: bool = False


SCHEDULES = (
    Job("quick", every=1, steps=1, pause=0, runs_all=True),
    Job("steady", every=1, steps=4, pause=0.1),
    Job("async", every=1, steps=5, pause=0.1, is_async=True),
    Job("long", every=2, steps=15, pause=0.15),
    Job("long async", every=2, steps=15, pause=0.15, is_async=True),
    Job("stubborn", every=3, steps=12, pause=0.15, is_stubborn=True),
)
