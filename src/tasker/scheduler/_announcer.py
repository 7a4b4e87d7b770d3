"""What happens in a scheduler, said to whoever wants to hear of it; see `tasker.events`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from tasker._core import clock
from tasker._core.instants import instant_of
from tasker._core.leaving import Outcome as Left
from tasker.events import _values as events
from tasker.events._bus import publish, wants_ordinary_runs
from tasker.ports import Grant, Instance, Outcome, Passed, ScheduleState
from tasker.scheduler._entry import ActiveRun
from tasker.scheduler._run import trigger_of


class _Where(TypedDict):
    at: datetime
    instance: str
    owner: str


class _Which(_Where):
    schedule_id: str
    slot: datetime
    attempt: int
    trigger: Literal["schedule", "manual"]
    fencing_token: int


class Announcer:
    """Publishes the events of one scheduler. Any thread may use it."""

    def __init__(self, name: str, owner: str, now: Callable[[], int]) -> None:
        """Speak for a scheduler whose store's clock is `now`."""
        self.name = name
        """The readable name of the instance."""
        self.owner = owner
        """The random id of its scheduler."""
        self._now = now

    def claimed(self, grant: Grant, now: int) -> None:
        """Say that a slot was given to this instance at `now`."""
        if grant.state.owner is not None or wants_ordinary_runs():
            late = timedelta(microseconds=max(0, now - grant.slot))
            publish(events.RunClaimed(late=late, taken_over_from=grant.state.owner, **self._which(grant)))

    def started(self, grant: Grant) -> None:
        """Say that the task of a run was started."""
        if wants_ordinary_runs():
            publish(events.RunStarted(**self._which(grant)))

    def retried(self, active: ActiveRun, wait: float, error: BaseException) -> None:
        """Say that the task of a run failed, and is run again after `wait` seconds."""
        pause = timedelta(seconds=wait)
        publish(events.RunRetried(retry=active.retries, wait=pause, error=error, **self._which(active.grant)))

    def finished(self, active: ActiveRun, outcome: Outcome, left: Left, *, is_given_up: bool = False) -> None:
        """Say how a run ended; `is_given_up`: that it was not even started."""
        if outcome is not Outcome.SUCCEEDED or wants_ordinary_runs():
            publish(
                events.RunFinished(
                    outcome=outcome,
                    duration=timedelta(seconds=clock.current().boottime() - active.began),
                    retries=active.retries,
                    error=left,
                    is_given_up=is_given_up,
                    **self._which(active.grant),
                )
            )

    def not_recorded(self, grant: Grant, outcome: Outcome, *, is_lost: bool) -> None:
        """Say that the end of a run does not count."""
        publish(events.RunNotRecorded(outcome=outcome, is_lost=is_lost, **self._which(grant)))

    def lease_lost(self, grant: Grant, cause: BaseException) -> None:
        """Say that a run goes on without a lease."""
        publish(events.RunLeaseLost(cause=cause, **self._which(grant)))

    def skipped(self, id: str, passed: Passed) -> None:
        """Say that slots were passed over."""
        publish(
            events.SlotsSkipped(
                schedule_id=id,
                slot=instant_of(passed.slot),
                until=instant_of(passed.until),
                count=passed.count,
                reason=passed.reason,
                **self._where(),
            )
        )

    def ignored(self, state: ScheduleState) -> None:
        """Say that a row is left as it is."""
        publish(events.ScheduleIgnored(schedule_id=state.id, format=state.format, **self._where()))

    def store_down(self, error: BaseException) -> None:
        """Say that the store is away."""
        publish(events.StoreDown(error=error, **self._where()))

    def store_up(self, after: float) -> None:
        """Say that the store is back, after so many seconds."""
        publish(events.StoreUp(after=timedelta(seconds=after), **self._where()))

    def renewal_late(self, took: float, period: float) -> None:
        """Say that renewing the leases took so many seconds of those between two times."""
        spans = timedelta(seconds=took), timedelta(seconds=period)
        publish(events.RenewalLate(took=spans[0], period=spans[1], **self._where()))

    def joined(self, other: Instance) -> None:
        """Say that another instance was seen for the first time."""
        publish(
            events.InstanceJoined(
                other_owner=other.owner, other_name=other.name, other_version=other.version, **self._where()
            )
        )

    def gone(self, other: Instance, *, has_left: bool) -> None:
        """Say that another instance is there no more."""
        publish(events.InstanceGone(other_owner=other.owner, other_name=other.name, has_left=has_left, **self._where()))

    def draining(self, *, is_draining: bool) -> None:
        """Say that this instance starts nothing new, or does so again."""
        publish(events.InstanceDraining(is_draining=is_draining, **self._where()))

    def _where(self) -> _Where:
        return {"at": instant_of(self._now()), "instance": self.name, "owner": self.owner}

    def _which(self, grant: Grant) -> _Which:
        return {
            **self._where(),
            "schedule_id": grant.id,
            "slot": instant_of(grant.slot),
            "attempt": grant.attempt,
            "trigger": trigger_of(grant),
            "fencing_token": grant.token,
        }
