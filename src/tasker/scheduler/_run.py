"""What a scheduled task can know of its own run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tasker._core.context import current_context
from tasker._core.frozen import maker_of
from tasker._core.instants import instant_of
from tasker.ports import Grant

RUN = object()
"""The key under which the context of a run carries a function that describes it: most tasks never ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a scheduled task for one slot.

    Attributes:
        schedule_id: The id of the schedule.
        slot: The instant that it runs for, aware, in UTC; its date is often what the work is about.
        attempt: Which start of this slot this is, from 1: more than 1 after a crash or an interruption.
        retry: Which try under the same lease this is, from 0.
        trigger: `"schedule"`, or `"manual"` if it was asked for by hand.
        fencing_token: An integer that grows with each run of this id; let what you write to refuse a lower one.
        owner: The random id of the scheduler that runs it.
    """

    schedule_id: str
    slot: datetime
    attempt: int
    retry: int
    trigger: Literal["schedule", "manual"]
    fencing_token: int
    owner: str

    @staticmethod
    def current() -> Run:
        """Return the run that the calling code belongs to.

        Raises:
            RuntimeError: It does not belong to one.
        """
        describe: Callable[[], Run] | None = current_context().value(RUN)
        if describe is None:
            raise RuntimeError("Run.current() was called outside a scheduled task")
        return describe()


_run = maker_of(Run)


def trigger_of(grant: Grant) -> Literal["schedule", "manual"]:
    """Say what a granted slot comes from."""
    return "manual" if grant.manual else "schedule"


def run_of(grant: Grant, owner: str, retry: int = 0) -> Run:
    """Describe what a grant lets run."""
    return _run(
        schedule_id=grant.id,
        slot=instant_of(grant.slot),
        attempt=grant.attempt,
        retry=retry,
        trigger=trigger_of(grant),
        fencing_token=grant.token,
        owner=owner,
    )
