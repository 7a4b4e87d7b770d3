"""What happens in a scheduler, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tasker.ports import Outcome, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as one instance saw it.

    Attributes:
        at: When it happened, in UTC: by the store's clock, as far as the instance knows it.
        instance: The readable name of the instance that says so; empty if it runs nothing, but only asked for it.
        owner: The random id of its scheduler; likewise.
    """

    at: datetime
    instance: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(Event):
    """Something that happened to a run.

    Attributes:
        schedule_id: The id of the schedule.
        slot: The instant that it runs for, in UTC.
        attempt: Which start of this slot this is, from 1.
        trigger: `"schedule"`, or `"manual"` if it was asked for by hand.
        fencing_token: The token that it runs under.
    """

    schedule_id: str
    slot: datetime
    attempt: int
    trigger: Literal["schedule", "manual"]
    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunClaimed(RunEvent):
    """The instance was given a slot, together with its lease.

    Attributes:
        late: How long after the slot that was.
        taken_over_from: The random id of the scheduler whose lease was over before its run had ended, if there was one;
            that attempt is recorded as `lease_lost`.
    """

    late: timedelta
    taken_over_from: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """The task of the run was handed to its thread or its loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetried(RunEvent):
    """The task failed, and is run again under the same lease.

    Attributes:
        retry: Which try comes now, from 1.
        wait: How long after the failure.
        error: How it failed.
    """

    retry: int
    wait: timedelta
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(RunEvent):
    """The run has ended, and is about to be recorded.

    Attributes:
        outcome: How it ended.
        duration: The time since it was claimed.
        retries: How often the task was run again under the same lease.
        error: What it failed with, or left with; `None` if it returned.
        is_given_up: The slot was not started at all, because that had been done too often without an answer.
    """

    outcome: Outcome
    duration: timedelta
    retries: int
    error: BaseException | None
    is_given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotRecorded(RunEvent):
    """The end of the run does not count.

    Attributes:
        outcome: How it ended.
        is_lost: The store has given the lease to another; else it could not be reached for a whole lease.
    """

    outcome: Outcome
    is_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLeaseLost(RunEvent):
    """The run goes on, but its lease is gone or can no longer be trusted; its context has ended.

    Attributes:
        cause: Why.
    """

    cause: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsSkipped(Event):
    """Slots were decided without a run, and have one record together.

    Attributes:
        schedule_id: The id of the schedule.
        slot: The first of them.
        until: The last of them.
        count: How many they are; `None` if they are too many to count.
        reason: Why.
    """

    schedule_id: str
    slot: datetime
    until: datetime
    count: int | None
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleIgnored(Event):
    """The row of a schedule cannot be read, or a newer version of tasker wrote it; it is left as it is.

    Attributes:
        schedule_id: The id of the schedule.
        format: The format of the row.
    """

    schedule_id: str
    format: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDown(Event):
    """The store does not answer, or refuses to work; nothing is started until it is back.

    Attributes:
        error: What it said.
    """

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUp(Event):
    """The store is back.

    Attributes:
        after: How long it was away.
    """

    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalLate(Event):
    """Renewing the leases took so long that the scheduler starts nothing new until that is better.

    Attributes:
        took: How long it took.
        period: The time between two renewals.
    """

    took: timedelta
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceJoined(Event):
    """Another instance with the same store and namespace was seen for the first time.

    Attributes:
        other_owner: Its random id.
        other_name: Its readable name.
        other_version: The version of the application that it runs.
    """

    other_owner: str
    other_name: str
    other_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGone(Event):
    """Another instance has left, or has not been seen for several leases.

    Attributes:
        other_owner: Its random id.
        other_name: Its readable name.
        has_left: It said so itself; else it is dead, or cut off.
    """

    other_owner: str
    other_name: str
    has_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDraining(Event):
    """This instance was asked to start nothing new, or to go on.

    Attributes:
        is_draining: Which of the two.
    """

    is_draining: bool
