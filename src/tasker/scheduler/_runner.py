"""Runs from their grant to the moment when the store has recorded how they ended.

State: all of it belongs to the driver's thread. Tasks end, are tried again, and lose their leases in other threads,
which send messages; the lease of a run is kept alive by the renewal's own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from tasker._core import clock
from tasker._core.calling import start_from_anywhere
from tasker._core.context import cancelled_by
from tasker._core.leaving import Outcome as Left
from tasker.errors import Cancelled, LeaseLost, StoreUnavailable
from tasker.lease.renewal import Renewal
from tasker.ports import Answer, Claimed, Ending, Grant, Held, Outcome, Store
from tasker.scheduler import _due
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._endings import ending_of, final_loss
from tasker.scheduler._entry import ActiveRun, Entry
from tasker.scheduler._link import Link
from tasker.scheduler._run import RUN, run_of
from tasker.scheduler._settings import Settings
from tasker.scheduler._trimming import Trimming
from tasker.scheduler._under_way import UnderWay

_AT_MOST = 1_000


class Post(Protocol):
    """Sends a message to the driver, from any thread; a patient one may wait for some milliseconds."""

    def __call__(self, message: Callable[[Any], object], /, *, is_patient: bool = False) -> object:
        """Have it called with the stretch of work that the driver is at."""
        ...


class Runner:
    """Starts what was granted, and reports how it ended.

    Attributes:
        on_failure: Called when an error of a run ends its entry.
    """

    def __init__(
        self, store: Store, link: Link, settings: Settings, announce: Announcer, *, trimming: Trimming, post: Post
    ) -> None:
        """Have nothing under way."""
        self._store = store
        self._link = link
        self._settings = settings
        self._announce = announce
        self._trimming = trimming
        self._post = post
        self._is_recording = True
        self._runs = UnderWay(settings.max_running)
        self._renewal = Renewal(
            store.renew, announce.owner, settings.lease, store.call_limit, on_late=announce.renewal_late
        )
        self.on_failure: Callable[[Entry, BaseException | None], object] = _nobody

    @property
    def free(self) -> int:
        """How many runs may be started now: none while those that go on hardly keep their leases."""
        return 0 if self._renewal.is_slow else self._runs.free

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return bool(self._runs)

    @property
    def enough(self) -> int:
        """After how many more ends nothing is left to gather."""
        return self._runs.enough

    @property
    def has_ended(self) -> bool:
        """Whether there is an end to record."""
        return self._runs.has_ended

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for the recording of an end."""
        return self._runs.is_urgent

    def get(self, id: str) -> ActiveRun | None:
        """Return the run of a schedule that is under way, if there is one; any thread may ask."""
        return self._runs.get(id)

    def is_known(self, held: Held) -> bool:
        """Tell whether a lease is that of a run that did start; also of one whose end could not be recorded."""
        return self._runs.is_known(held)

    def close(self) -> None:
        """Renew nothing any more; this waits for a renewal that has begun."""
        self._renewal.close()

    def start(self, granted: Sequence[tuple[Entry, Grant]], claimed: Claimed, sent: float) -> None:
        """Start what a claim has won that was sent at `sent` (`Clock.boottime`)."""
        runs = [self._run_of(entry, grant, sent) for entry, grant in granted]
        # First: nothing runs without somebody who renews its lease.
        self._renewal.add_all([(active.held, partial(self._lost, active)) for active in runs], sent)
        for active in runs:
            self._announce.claimed(active.grant, claimed.now)
            self._start(active)

    def _run_of(self, entry: Entry, grant: Grant, sent: float) -> ActiveRun:
        ctx = entry.host.ctx.with_value(RUN, partial(run_of, grant, self._announce.owner))
        return ActiveRun(entry, grant, ctx, sent)

    def _start(self, active: ActiveRun) -> None:
        entry, grant = active.entry, active.grant
        self._runs.add(active)
        entry.note_grant(grant)
        if self._is_given_up(grant):
            self._runs.end(active, final_loss(entry.definition, grant, self._link.now()))
            self._announce.finished(active, Outcome.LEASE_LOST, None, is_given_up=True)
            return
        self._announce.started(grant)
        host = entry.host
        task = entry.definition.effort.around(entry.definition.task, partial(self._retried, active))
        try:
            start_from_anywhere(task, active.ctx, host.home, host.variables.copy(), partial(self._ended, active))
        except RuntimeError as error:
            # The system starts no thread: the run has not begun, and nobody waits for its end.
            self._note_end(active, cancelled_by(error))
            raise

    def _is_given_up(self, grant: Grant) -> bool:
        most = self._settings.max_attempts
        if not _due.is_given_up(grant, most):
            return False
        try:
            records = self._store.history(grant.id, 2 * grant.attempt)
        except StoreUnavailable:
            return False
        ends = [record.outcome for record in records if record.slot == grant.slot]
        return _due.is_given_up(grant, most, ends.count(Outcome.INTERRUPTED))

    def _retried(self, active: ActiveRun, number: int, error: Exception, wait: float) -> None:
        """Called on the loop of the run."""
        active.retries = number
        self._announce.retried(active, wait, error)

    def _lost(self, active: ActiveRun, cause: LeaseLost) -> None:
        """Tell the task that its lease is lost; called in any thread."""

        def tell(_: object) -> None:
            # A renewal that crosses the recording of the end finds no lease either, and that is no news.
            if active.ending is None:
                self._announce.lease_lost(active.grant, cause)

        self._post(tell)  # first: the end of the run must not overtake it
        active.note_asked()
        active.ctx._close(cause)

    def _ended(self, active: ActiveRun, left: Left) -> None:
        """Called in any thread."""
        self._post(lambda _: self._note_end(active, left), is_patient=True)

    def _note_end(self, active: ActiveRun, left: Left) -> None:
        entry = active.entry
        ending = ending_of(entry.definition, active, left, self._link.now())
        self._runs.end(active, ending)
        active.ctx._close(Cancelled("the run has ended"))
        self._bound_recording(entry)
        self._announce.finished(active, ending.outcome, left)
        has_failed = ending.outcome in (Outcome.FAILED, Outcome.TIMED_OUT)
        if has_failed and (entry.definition.policy.on_failure == "raise" or not isinstance(left, Exception)):
            self.on_failure(entry, left)
        if not self._is_recording:
            self._forget(active)

    def record(self) -> tuple[list[Entry], int]:
        """Have the store record how runs ended; return their entries, and what time it was there.

        Raises:
            StoreUnavailable: The store did not answer; what became of it is asked with the next attempt.
        """
        endings = self._runs.endings(_AT_MOST)
        finished = self._link.ask("finish", partial(self._store.finish, self._announce.owner, endings))
        answers = finished.answers
        return [self._recorded(each, answers.get(each.id, Answer.LOST), finished.now) for each in endings], finished.now

    def _recorded(self, ending: Ending, answer: Answer, now: int) -> Entry:
        active = self._runs.remove(ending.id)
        self._renewal.remove(active.held)
        entry = active.entry
        if answer is Answer.LOST:
            self._announce.not_recorded(active.grant, ending.outcome, is_lost=True)
            return entry
        for passed in ending.passed:
            self._announce.skipped(ending.id, passed)
        self._trimming.note_records(entry, 1 + len(ending.passed))
        entry.note_end(active.grant, ending, now)
        return entry

    def interrupt(self, entry: Entry, cause: BaseException | None) -> None:
        """See that the run of an entry that leaves, if it has one, comes to its end.

        Args:
            entry: What leaves.
            cause: Ends the context of the run; `None`: that has ended with that of the host.
        """
        self._bound_recording(entry)
        if entry.active is not None:
            entry.active.note_asked()
            if cause is not None:
                entry.active.ctx._close(cause)

    def _bound_recording(self, entry: Entry) -> None:
        """Bound how long an entry that leaves waits for the store to record its run, from when that has ended."""
        if entry.is_leaving and entry.active is not None and entry.active.ending is not None:
            entry.active.recorded_by = clock.current().boottime() + self._settings.lease

    def last_times(self) -> list[float]:
        """Return when to give up recording the runs of entries that leave, as `Clock.boottime`."""
        return [active.recorded_by for active in self._runs if active.recorded_by is not None]

    def forget_late(self) -> None:
        """Give up recording what was to be recorded by now."""
        now = clock.current().boottime()
        for active in list(self._runs):
            if active.recorded_by is not None and active.recorded_by <= now:
                self._forget(active)

    def give_up(self) -> None:
        """Record nothing any more, neither what has ended nor what ends from now on."""
        self._is_recording = False
        for active in list(self._runs):
            if active.ending is not None:
                self._forget(active)

    def _forget(self, active: ActiveRun) -> None:
        """Give up recording how a run ended: its lease ends by itself, and another instance starts its slot again."""
        self._runs.forget(active)
        self._renewal.remove(active.held)
        outcome = Outcome.LEASE_LOST if active.ending is None else active.ending.outcome
        self._announce.not_recorded(active.grant, outcome, is_lost=False)


def _nobody(entry: Entry, error: BaseException | None) -> None:
    """There is nobody to tell yet."""
