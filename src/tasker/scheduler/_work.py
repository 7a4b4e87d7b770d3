"""A stretch of work: what is due is looked at, claimed, run, and recorded, from the first entry to the last.

Everything that is due at once is claimed together and everything that ended since is recorded together, so that the
number of statements does not grow with the number of schedules. Waiting takes no thread and no connection.

State: all of it belongs to the driver's thread. Other threads send messages: that an entry joins or leaves, that a run
has ended. Leases are kept alive by the renewal's own thread, which ends the context of a run whose lease is lost.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from tasker._core import clock
from tasker._core.calling import start_from_anywhere
from tasker._core.instants import instant_of
from tasker._core.leaving import Outcome as Left
from tasker.errors import Cancelled, LeaseLost, StoreUnavailable
from tasker.lease.renewal import Renewal
from tasker.ports import (
    FORMAT,
    Answer,
    Definition,
    Ending,
    Grant,
    Held,
    Outcome,
    Proposal,
    ScheduleState,
    Skip,
    Store,
)
from tasker.scheduler import _due
from tasker.scheduler._agenda import Agenda
from tasker.scheduler._endings import ending_of, final_loss
from tasker.scheduler._entry import ActiveRun, Entry
from tasker.scheduler._link import Link
from tasker.scheduler._plan import Plan
from tasker.scheduler._run import RUN, run_of
from tasker.scheduler._settings import Settings

logger: logging.Logger = logging.getLogger("tasker")

_AT_MOST = 1_000
_POLL_EVERY = 1.0
_TRIM_EVERY = 30.0
# While something is under way, claims and recordings gather for so long.
_GATHER = 0.020
# Two claims in a row that won nothing: others are quicker, so ask less often.
_AFTER_LOSING = 0.250
_LOSSES = 2
_LOCKED_AGAIN = (50_000, 200_000)
# A row that is neither granted nor refused so often is not locked, but gone.
_MISSES = 3
_MICRO = 1_000_000


class Work:
    """Runs entries while there are any; its methods are called in the driver's thread."""

    def __init__(self, store: Store, settings: Settings, post: Callable[[Callable[[Work], object]], object]) -> None:
        """Begin without entries.

        Args:
            store: Where the states and leases are.
            settings: What the scheduler was made with.
            post: Sends a message to the driver, from any thread.
        """
        # Here and not when the scheduler is made: processes that are forked after that must not share it.
        self._owner = str(uuid.uuid4())
        self._name = self._owner[:8] if settings.name is None else settings.name
        self._store = store
        self._settings = settings
        self._post = post
        self._entries: dict[str, Entry] = {}
        self._leaving: dict[str, Entry] = {}
        self._successors: dict[str, deque[Entry]] = {}
        self._active: dict[str, ActiveRun] = {}
        self._to_register: dict[str, Entry] = {}
        self._unsure: set[str] = set()
        # Leases of runs that did start, but whose end could not be recorded: their attempts count.
        self._forgotten: set[Held] = set()
        self._to_trim: set[str] = set()
        self._agenda = Agenda()
        self._link = Link(self._name)
        self._renewal = Renewal(store.renew, self._owner, settings.lease, store.call_limit)
        self._epoch: int | None = None
        self._losses = 0
        self._fatal: BaseException | None = None
        self._poll_at = self._trim_at = self._claim_at = self._record_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all entries have left."""
        return not self._entries

    def join(self, entry: Entry) -> None:
        """Run an entry from now on; if one with its id is here already, when that has left."""
        if self._fatal is not None:
            entry.host.left(entry, self._fatal)
        elif entry.id in self._entries:
            self._successors.setdefault(entry.id, deque()).append(entry)
        else:
            self._entries[entry.id] = entry
            self._to_register[entry.id] = entry

    def leave(self, entry: Entry, cause: BaseException | None) -> None:
        """Let an entry go, as soon as its run, if there is one, has ended and is recorded; see `Driver.leave`."""
        waiting = self._successors.get(entry.id)
        if waiting and entry in waiting:
            waiting.remove(entry)
            entry.host.left(entry, None)
        if self._entries.get(entry.id) is not entry or entry.is_leaving:
            return
        entry.is_leaving = True
        self._leaving[entry.id] = entry
        self._to_register.pop(entry.id, None)
        self._agenda.put(entry, None)
        self._bound_recording(entry)
        if entry.active is not None and cause is not None:
            entry.active.ctx._close(cause)

    def receive(self, message: Callable[[Work], object]) -> None:
        """Do what a message says."""
        self._guard(lambda: message(self))

    def go_on(self) -> None:
        """Do all that there is to do now."""
        self._guard(self._work)
        self._guard(self._let_go)

    def pause(self) -> float | None:
        """Return the seconds until there is something to do; `None`: until a message comes."""
        now = self._now()
        if self._fatal is not None:
            return None
        times = [active.recorded_by for active in self._active.values() if active.recorded_by is not None]
        if (retry := self._link.seconds_until_retry()) > 0:
            times.append(now + retry)
        else:
            times.extend(self._times(now))
        return max(0.0, min(times) - now) if times else None

    def _times(self, now: float) -> Iterable[float]:
        """Yield when to ask the store for something."""
        if self._to_register or self._unsure:
            yield now
        if self._epoch is not None:
            yield self._poll_at
        if any(active.ending is not None for active in self._active.values()):
            yield self._record_at
        due = self._agenda.next_time()
        if due is not None and len(self._active) < self._settings.max_running and not self._renewal.is_slow:
            yield max(self._claim_at, now + (due - self._link.now()) / _MICRO)

    def close(self) -> None:
        """Let go of the store when all entries have left."""
        self._renewal.close()
        try:
            self._settings.close_store()
        except Exception:
            logger.exception("the store of %s could not be closed", self._name)

    def _guard(self, step: Callable[[], object]) -> None:
        """Do a step; an error that is not the store's absence ends all entries, each with that error."""
        try:
            step()
        except StoreUnavailable:
            pass  # the link has said so, and says when to try again
        except Exception as error:
            logger.exception("the scheduler %s ends", self._name)
            self._fatal = error
            for active in list(self._active.values()):
                if active.ending is not None:
                    self._forget(active)
            for entry in self._entries.values():
                self._fail(entry, error)

    def _work(self) -> None:
        if self._fatal is not None or self._link.seconds_until_retry() > 0:
            return
        self._register()
        self._give_back()
        self._record()
        self._poll()
        self._claim()
        self._trim()

    def _register(self) -> None:
        while self._to_register:
            chunk = list(self._to_register.values())[:_AT_MOST]
            definitions = [definition for entry in chunk if (definition := self._define(entry)) is not None]
            registered = self._link.ask("register", partial(self._store.register, definitions))
            # What was rung before this instance came is in the states already.
            self._epoch = registered.epoch if self._epoch is None else self._epoch
            for entry in chunk:
                self._to_register.pop(entry.id, None)
            for state in registered.states:
                self._learn(self._entries[state.id], state, registered.now)

    def _define(self, entry: Entry) -> Definition | None:
        try:
            return Definition(entry.id, str(entry.plan), entry.plan.next_after(self._link.now()))
        except Exception as error:  # noqa: BLE001 - a schedule that does not work ends its own entry only
            self._fail(entry, error)
            return None

    def _learn(self, entry: Entry, state: ScheduleState, now: int) -> None:
        """Take over what the store says of a row, and look at it when that makes sense."""
        entry.state = state
        entry.misses = 0
        if state.format > FORMAT:
            logger.warning(
                "%r is left alone: its row cannot be read, or a newer version of tasker wrote it (format %d)",
                entry.id,
                state.format,
            )
        is_mine = state.owner == self._owner and entry.active is None
        if is_mine and Held(entry.id, state.token) not in self._forgotten:
            # A claim whose answer was lost took effect only after it had been given back.
            self._unsure.add(entry.id)
        if entry.active is None and not entry.is_leaving:
            self._consider(entry, now, _due.decide)

    def _consider(
        self, entry: Entry, now: int, decide: Callable[[Plan, ScheduleState, int], _due.Decision]
    ) -> Proposal | Skip | None:
        """Decide about an entry: put it on the agenda, or say what to ask of the store."""
        if entry.state is None or entry.host.ctx.done:
            return None
        try:
            decision = decide(entry.plan, entry.state, now)
            match decision:
                case _due.Run(slot, base):
                    self._agenda.put(entry, now)
                    return Proposal(entry.id, slot, base)
                case _due.PassOver(passed):
                    self._agenda.put(entry, now)
                    return Skip(entry.id, passed.until, passed, entry.plan.next_after(passed.until))
                case _due.Wait(until):
                    self._agenda.put(entry, until)
                case _due.Finished():
                    self._agenda.put(entry, None)
        except Exception as error:  # noqa: BLE001 - a schedule that does not work ends its own entry only
            self._fail(entry, error)
        return None

    def _give_back(self) -> None:
        """Free what a claim may have taken whose answer was lost."""
        if self._unsure:
            running = [active.held for active in self._active.values()]
            self._link.ask("release", partial(self._store.release, self._owner, sorted(self._unsure), running))
            self._unsure.clear()

    def _record(self) -> None:
        now = self._now()
        endings = [active.ending for active in self._active.values() if active.ending is not None][:_AT_MOST]
        if not endings or now < self._record_at:
            return
        finished = self._link.ask("finish", partial(self._store.finish, self._owner, endings))
        self._record_at = now + _GATHER
        for ending in endings:
            self._recorded(ending, finished.answers.get(ending.id, Answer.LOST), finished.now)

    def _recorded(self, ending: Ending, answer: Answer, now: int) -> None:
        active = self._active.pop(ending.id)
        self._renewal.remove(active.held)
        entry = active.entry
        entry.active = None
        self._to_trim.add(ending.id)
        if answer is Answer.LOST:
            logger.warning("the %s run of %r does not count: its lease was lost", ending.outcome, ending.id)
        elif entry.state is not None:
            entry.state = _after(entry.state, active.grant, ending, now)
        if not entry.is_leaving:
            self._agenda.put(entry, now)

    def _poll(self) -> None:
        now = self._now()
        if self._epoch is None or now < self._poll_at:
            return
        polled = self._link.ask("poll", partial(self._store.poll, self._epoch))
        self._poll_at = now + _POLL_EVERY
        self._epoch = polled.epoch
        for state in polled.states:
            entry = self._entries.get(state.id)
            if entry is not None and entry.id not in self._to_register:
                self._learn(entry, state, polled.now)

    def _claim(self) -> None:
        free = self._settings.max_running - len(self._active)
        if free <= 0 or self._renewal.is_slow or self._now() < self._claim_at:
            return
        proposals, skips = self._proposals()
        if skips:
            self._skip(skips)
        if not proposals:
            return
        random.shuffle(proposals)
        sent = self._now()
        try:
            claimed = self._link.ask(
                "claim", partial(self._store.claim, self._owner, round(self._settings.lease * _MICRO), free, proposals)
            )
        except StoreUnavailable:
            self._unsure.update(proposal.id for proposal in proposals)
            raise
        self._pace(len(claimed.grants))
        for grant in claimed.grants:
            self._start(self._entries[grant.id], grant, sent)
        for state in claimed.refused:
            self._learn(self._entries[state.id], state, claimed.now)
        answered = {grant.id for grant in claimed.grants} | {state.id for state in claimed.refused}
        self._look_again(proposal.id for proposal in proposals if proposal.id not in answered)

    def _proposals(self) -> tuple[list[Proposal], list[Skip]]:
        now = self._link.now()
        proposals: list[Proposal] = []
        skips: list[Skip] = []
        for entry in self._agenda.take(now, _AT_MOST):
            wish = self._consider(entry, now, _due.look_again)
            if isinstance(wish, Proposal):
                proposals.append(wish)
            elif wish is not None:
                skips.append(wish)
        return proposals, skips

    def _skip(self, skips: list[Skip]) -> None:
        done = self._link.ask("skip", partial(self._store.skip, skips))
        self._pace(len(done.ids))
        for skip in skips:
            entry = self._entries[skip.id]
            if skip.id in done.ids and entry.state is not None:
                self._learn(entry, replace(entry.state, decided=skip.through), done.now)
            else:
                self._to_register[skip.id] = entry  # its row has changed: read it again

    def _pace(self, won: int) -> None:
        self._losses = 0 if won else self._losses + 1
        if self._losses >= _LOSSES:
            self._claim_at = self._now() + _AFTER_LOSING
        elif self._active or won:
            self._claim_at = self._now() + _GATHER

    def _look_again(self, ids: Iterable[str]) -> None:
        """Look again soon at rows that another statement had locked; at those that are gone, make them again."""
        for id in ids:
            entry = self._entries[id]
            entry.misses += 1
            if entry.misses >= _MISSES:
                self._to_register[id] = entry
            else:
                self._agenda.put(entry, self._link.now() + random.randint(*_LOCKED_AGAIN))

    def _start(self, entry: Entry, grant: Grant, sent: float) -> None:
        host = entry.host
        ctx = host.ctx.with_value(RUN, run_of(grant, self._owner))
        active = entry.active = self._active[entry.id] = ActiveRun(entry, grant, ctx)
        entry.misses = 0
        entry.state = replace(grant.state, requested=None if grant.manual else grant.state.requested)
        self._agenda.put(entry, None)
        if _due.is_given_up(grant, self._settings.max_attempts):
            logger.error("%r is given up for %s after %d starts", entry.id, instant_of(grant.slot), grant.attempt - 1)
            active.ending = final_loss(entry.plan, grant, self._link.now())
            return
        self._renewal.add(active.held, sent, partial(self._lost, active))
        host.variables.run(start_from_anywhere, entry.definition.task, ctx, host.home, partial(self._ended, active))

    def _lost(self, active: ActiveRun, cause: LeaseLost) -> None:
        """Tell the task that its lease is lost; called in any thread."""

        def tell(_: Work) -> None:
            # A renewal that crosses the recording of the end finds no lease either, and that is no news.
            if active.ending is None:
                logger.warning("a run has lost its lease while it goes on: %s", cause)

        self._post(tell)  # first: the end of the run must not overtake it
        active.ctx._close(cause)

    def _ended(self, active: ActiveRun, left: Left) -> None:
        """Called in any thread."""
        self._post(lambda work: work._note_end(active, left))

    def _note_end(self, active: ActiveRun, left: Left) -> None:
        entry = active.entry
        active.ending = ending_of(entry.plan, active, left, self._link.now())
        active.ctx._close(Cancelled("the run has ended"))
        self._bound_recording(entry)
        if active.ending.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            logger.error("the run of %r for %s failed", entry.id, instant_of(active.grant.slot), exc_info=left)
            if entry.plan.policy.on_failure == "raise" or not isinstance(left, Exception):
                self._fail(entry, left)
        if self._fatal is not None:
            self._forget(active)

    def _fail(self, entry: Entry, error: BaseException | None) -> None:
        """End an entry with an error, once its run has ended."""
        entry.error = entry.error or error
        cause = Cancelled(f"{entry.id!r} failed: {error!r}")
        cause.__cause__ = error
        self.leave(entry, cause)

    def _bound_recording(self, entry: Entry) -> None:
        """Bound how long an entry that leaves waits for the store to record its run, from when that has ended."""
        if entry.is_leaving and entry.active is not None and entry.active.ending is not None:
            entry.active.recorded_by = self._now() + self._settings.lease

    def _forget(self, active: ActiveRun) -> None:
        """Give up recording how a run ended: its lease ends by itself, and another instance starts its slot again."""
        self._active.pop(active.grant.id, None)
        self._forgotten.add(active.held)
        self._renewal.remove(active.held)
        active.entry.active = None
        logger.error("the end of the run of %r for %s was not recorded", active.grant.id, instant_of(active.grant.slot))

    def _let_go(self) -> None:
        now = self._now()
        for active in list(self._active.values()):
            if active.recorded_by is not None and active.recorded_by <= now:
                self._forget(active)
        for entry in [entry for entry in self._leaving.values() if entry.active is None]:
            del self._leaving[entry.id], self._entries[entry.id]
            entry.host.left(entry, entry.error)
            waiting = self._successors.get(entry.id)
            while waiting and entry.id not in self._entries:
                self.join(waiting.popleft())

    def _trim(self) -> None:
        now = self._now()
        if not self._to_trim or now < self._trim_at:
            return
        self._trim_at = now + _TRIM_EVERY  # also if it fails: it can wait
        ids = sorted(self._to_trim)[:_AT_MOST]
        self._store.trim(ids, self._settings.history, self._link.now() - self._settings.history_age)
        self._to_trim.difference_update(ids)

    def _now(self) -> float:
        return clock.current().boottime()


def _after(state: ScheduleState, grant: Grant, ending: Ending, now: int) -> ScheduleState:
    """Return what the row of a recorded run is now, as far as decisions need to know."""
    through = ending.through
    return replace(
        state,
        decided=state.decided if through is None else max(state.decided, through),
        slot=grant.slot if through is None else None,
        ended=now,
        runs=state.runs + 1,
        owner=None,
        lease_until=None,
    )
