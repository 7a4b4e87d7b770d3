"""The subscriber that is always there: standard logging, a line an event, its fields as attributes of the record."""

from __future__ import annotations

import logging
from dataclasses import fields

from tasker.events import _values as events
from tasker.events._values import Event
from tasker.ports import Outcome

logger: logging.Logger = logging.getLogger("tasker")

_Line = tuple[int, str, tuple[object, ...]]

_FAILED = (Outcome.FAILED, Outcome.TIMED_OUT)


def writes_ordinary_runs() -> bool:
    """Tell whether there is a line for each step of a run that has nothing special about it."""
    return logger.isEnabledFor(logging.DEBUG)


def write(event: Event) -> None:
    """Write the line of an event."""
    level, line, arguments = _line_of_run(event) if isinstance(event, events.RunEvent) else _line_of_other(event)
    if logger.isEnabledFor(level):
        extra = {field.name: getattr(event, field.name) for field in fields(event)}
        logger.log(level, line, *arguments, exc_info=_failure_of(event), extra={"event": type(event).__name__, **extra})


def _failure_of(event: Event) -> BaseException | None:
    """Return the error whose traceback people need."""
    match event:
        case events.RunRetried(error=error):
            return error
        case events.RunFinished(outcome=outcome, error=error) if outcome in _FAILED:
            return error
        case _:
            return None


def _line_of_run(event: events.RunEvent) -> _Line:
    which = event.schedule_id, event.slot
    match event:
        case events.RunClaimed(taken_over_from=None):
            return logging.DEBUG, "%r for %s is ours", which
        case events.RunClaimed(taken_over_from=str(other), attempt=attempt):
            line = "%r for %s is taken over, the lease of %s is over: attempt %d"
            return logging.WARNING, line, (*which, other[:8], attempt)
        case events.RunStarted():
            return logging.DEBUG, "the run of %r for %s starts", which
        case events.RunRetried(retry=retry, wait=wait):
            line = "the run of %r for %s failed, retry %d comes in %.3g s"
            return logging.WARNING, line, (*which, retry, wait.total_seconds())
        case events.RunFinished(is_given_up=True, attempt=attempt):
            return logging.ERROR, "%r is given up for %s after %d starts", (*which, attempt - 1)
        case events.RunFinished(outcome=outcome) if outcome in _FAILED:
            return logging.ERROR, "the run of %r for %s failed", which
        case events.RunFinished(outcome=outcome, duration=duration):
            level = logging.DEBUG if outcome is Outcome.SUCCEEDED else logging.INFO
            line = "the run of %r for %s has ended: %s after %.3f s"
            return level, line, (*which, outcome, duration.total_seconds())
        case _:
            return _line_of_trouble(event)


def _line_of_trouble(event: events.RunEvent) -> _Line:
    match event:
        case events.RunNotRecorded(is_lost=True, outcome=outcome):
            line = "the %s run of %r does not count: its lease was lost"
            return logging.WARNING, line, (outcome, event.schedule_id)
        case events.RunNotRecorded():
            line = "the end of the run of %r for %s was not recorded"
            return logging.ERROR, line, (event.schedule_id, event.slot)
        case events.RunLeaseLost(cause=cause):
            return logging.WARNING, "a run has lost its lease while it goes on: %s", (cause,)
        case _:
            return logging.INFO, "%r", (event,)


def _line_of_other(event: Event) -> _Line:
    match event:
        case events.SlotsSkipped(schedule_id=id, slot=slot, until=until, count=count, reason=reason):
            number = "many slots" if count is None else f"{count} slots"
            return logging.INFO, "skipped %s of %r, from %s to %s: %s", (number, id, slot, until, reason)
        case events.ScheduleIgnored(schedule_id=id, format=format):
            line = "%r is left alone: its row cannot be read, or a newer version of tasker wrote it (format %d)"
            return logging.WARNING, line, (id, format)
        case events.StoreDown(instance=instance, error=error):
            line = "the store of %s is away, nothing is started until it is back: %s"
            return logging.WARNING, line, (instance, error)
        case events.StoreUp(instance=instance):
            return logging.INFO, "the store of %s is back", (instance,)
        case events.RenewalLate(took=took, period=period):
            line = (
                "renewing leases took %.1f s of the %.1f s between two times; a scheduler starts nothing new meanwhile"
            )
            return logging.WARNING, line, (took.total_seconds(), period.total_seconds())
        case events.InstanceJoined(other_name=name):
            return logging.INFO, "instance %s has joined", (name,)
        case events.InstanceGone(other_name=name, has_left=True):
            return logging.INFO, "instance %s has left", (name,)
        case events.InstanceGone(other_name=name):
            return logging.WARNING, "instance %s has not been seen for several leases", (name,)
        case events.InstanceDraining(instance=instance, is_draining=is_draining):
            line = "%s starts nothing new from now on" if is_draining else "%s starts runs again"
            return logging.INFO, line, (instance,)
        case _:
            return logging.INFO, "%r", (event,)
