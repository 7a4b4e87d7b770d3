"""A stretch of work: what is due is looked at, claimed, run, and recorded, from the first entry to the last.

Everything that is due at once is claimed together and everything that ended since is recorded together, so that the
number of statements does not grow with the number of schedules. Waiting takes no thread and no connection.

State: all of it belongs to the driver's thread. Other threads send messages: that an entry joins or leaves, that a run
has ended. Leases are kept alive by the renewal's own thread, which ends the context of a run whose lease is lost.
"""

from __future__ import annotations

import logging
import math
import random
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from tasker._core import clock
from tasker.errors import Cancelled, StoreUnavailable
from tasker.ports import (
    FORMAT,
    Claimed,
    Held,
    Listening,
    Local,
    Proposal,
    ScheduleState,
    Skip,
    Store,
)
from tasker.scheduler import _due
from tasker.scheduler._agenda import Agenda
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._entry import ActiveRun, Entry
from tasker.scheduler._link import Link
from tasker.scheduler._pace import Pace
from tasker.scheduler._plan import Plan
from tasker.scheduler._presence import Presence
from tasker.scheduler._registration import Registration
from tasker.scheduler._roster import Roster
from tasker.scheduler._runner import Post, Runner
from tasker.scheduler._settings import Settings
from tasker.scheduler._trimming import Trimming

logger: logging.Logger = logging.getLogger("tasker")

_AT_MOST = 1_000
_FURTHER = 16
# What was due so long ago was mostly started by others, if they are quicker, and is over: asked for at once it would
# be refused twice, as it is held and as it is done. Of so few that does not matter.
_DONE_SOON = 300_000
_FEW = 64
_POLL_EVERY = 1.0
_LOCKED_AGAIN = (50_000, 200_000)
# A row that is neither granted nor refused so often is not locked, but gone.
_MISSES = 3
_MICRO = 1_000_000


class Work:
    """Runs entries while there are any; its methods are called in the driver's thread."""

    def __init__(self, store: Store, settings: Settings, post: Post) -> None:
        """Begin without entries.

        Args:
            store: Where the states and leases are.
            settings: What the scheduler was made with.
            post: Sends a message to the driver.
        """
        # Here and not when the scheduler is made: processes that are forked after that must not share it.
        self._owner = str(uuid.uuid4())
        self._name = self._owner[:8] if settings.name is None else settings.name
        self._store = store
        self._settings = settings
        self._roster = Roster()
        self._unsure: set[str] = set()
        self._agenda = Agenda()
        self._link = Link()
        self._announce = Announcer(self._name, self._owner, self._link.now)
        self._link.on_down, self._link.on_up = self._announce.store_down, self._announce.store_up
        is_local = isinstance(store, Local)
        self._presence = Presence(store, self._link, settings, self._announce, is_local=is_local)
        self._trimming = Trimming(store, self._link, settings)
        self._registration = Registration(store, self._link, self._roster, self._trimming)
        self._runner = Runner(store, self._link, settings, self._announce, trimming=self._trimming, post=post)
        self._registration.on_failure = self._runner.on_failure = self._fail
        self._epoch: int | None = None
        self._fatal: BaseException | None = None
        self._poll_at = 0.0
        self._pace = Pace(is_local=is_local)
        # How many times what it can run a claim asks for: more and more while others are quicker, as what they have
        # done is learned only by asking. Who asks for less than they do in the meantime would never catch up.
        self._reach = 1
        self._poll_every = math.inf if is_local else _POLL_EVERY
        self._stop_listening = _listen(store, partial(post, Work.look_soon))

    @property
    def owner(self) -> str:
        """The random id of this stretch of work; it never changes."""
        return self._owner

    @property
    def name(self) -> str:
        """What people know this instance as; it never changes."""
        return self._name

    @property
    def version(self) -> str:
        """The version of the application; it never changes."""
        return self._settings.version

    def active(self, id: str) -> ActiveRun | None:
        """Return the run of a schedule that goes on here now, if there is one; any thread may ask."""
        return self._runner.get(id)

    @property
    def is_over(self) -> bool:
        """Whether all entries have left."""
        return self._roster.is_empty

    def join(self, entry: Entry) -> None:
        """Run an entry from now on; if one with its id is here already, when that has left."""
        if self._fatal is not None:
            entry.host.left(entry, self._fatal)
        elif self._roster.join(entry):
            self._agenda.add(entry)
            self._registration.add(entry)

    def leave(self, entry: Entry, cause: BaseException | None) -> None:
        """Let an entry go, as soon as its run, if there is one, has ended and is recorded; see `Driver.leave`."""
        if not self._roster.leave(entry):
            return
        self._registration.discard(entry.id)
        self._agenda.put(entry, None)
        self._runner.interrupt(entry, cause)

    def look_soon(self) -> None:
        """Ask for what was changed in the store, at once."""
        self._poll_at = 0.0

    def receive(self, messages: deque[Callable[[Work], object]]) -> None:
        """Do what messages say, and take them out; one that fails leaves those after it for the next call."""

        def read() -> None:
            while messages:
                messages.popleft()(self)

        self._guard(read)

    def go_on(self) -> None:
        """Do all that there is to do now."""
        self._guard(self._work)
        self._guard(self._let_go)

    def pause(self) -> float | None:
        """Return the seconds until there is something to do; `None`: until a message comes."""
        now = self._now()
        if self._fatal is not None:
            return None
        times = self._runner.last_times() if self._roster.has_leaving else []
        if (retry := self._link.seconds_until_retry()) > 0:
            times.append(now + retry)
        else:
            times.extend(self._times(now))
        return max(0.0, min(times) - now) if times else None

    def _times(self, now: float) -> Iterable[float]:
        """Yield when to ask the store for something."""
        if self._registration or self._unsure:
            yield now
        if self._epoch is not None:
            yield self._poll_at
            yield self._presence.next_at
            yield self._registration.next_at
        if self._runner.has_ended:
            yield self._record_at()
        due = self._agenda.next_time()
        if due is not None and self._free() > 0:
            yield max(self._pace.claim_at, now + (due - self._link.now()) / _MICRO)

    def close(self) -> None:
        """Let go of the store when all entries have left."""
        self._guard(self._presence.leave)  # first: closing may wait for a renewal, and the process may not
        self._runner.close()
        self._stop_listening()

    def tell_hosts(self) -> None:
        """Tell of the entries that have left; of the last ones only when the store is let go of, as others close it."""
        self._roster.tell_hosts()

    def _guard(self, step: Callable[[], object]) -> None:
        """Do a step; an error that is not the store's absence ends all entries, each with that error."""
        try:
            step()
        except StoreUnavailable:
            pass  # the link has said so, and says when to try again
        except Exception as error:
            logger.exception("the scheduler %s ends", self._name)
            self._fatal = error
            self._runner.give_up()
            for entry in self._roster:
                self._fail(entry, error)

    def _work(self) -> None:
        if self._fatal is not None or self._link.seconds_until_retry() > 0:
            return
        self._register()
        self._give_back()
        self._record()
        self._poll()
        if self._epoch is not None:
            self._presence.go_on()
        self._claim()
        self._trimming.go_on()

    def _register(self) -> None:
        for registered in self._registration.go_on():
            # What was rung before this instance came is in the states already.
            self._epoch = registered.epoch if self._epoch is None else self._epoch
            for state in registered.states:
                self._learn(self._roster[state.id], state, registered.now)

    def _learn(self, entry: Entry, state: ScheduleState, now: int) -> None:
        """Take over what the store says of a row, and look at it when that makes sense."""
        if state.format > FORMAT:
            self._registration.read_again()
            if not entry.is_ignored:
                self._announce.ignored(state)
        entry.note(state)
        entry.misses = 0
        if self._is_abandoned(state):
            # A claim whose answer was lost took effect only after it had been given back.
            self._unsure.add(entry.id)
        if entry.active is None and not entry.is_leaving:
            self._consider(entry, now)

    def _consider(self, entry: Entry, now: int) -> None:
        """Decide when to look at an entry, to ask the store for a slot of it."""
        match self._decide(entry, now, _due.decide):
            case _due.Wait(until):
                self._agenda.put(entry, until)
            case _due.Run(slot):
                self._agenda.put(entry, min(slot, now))
            case _due.PassOver():
                self._agenda.put(entry, now)
            case _due.Finished():
                self._agenda.put(entry, None)
            case None:
                pass

    def _decide(
        self, entry: Entry, now: int, decide: Callable[[Plan, Entry, int], _due.Decision]
    ) -> _due.Decision | None:
        if entry.host.ctx.done:
            return None
        try:
            return decide(entry.definition, entry, now)
        except Exception as error:  # noqa: BLE001 - a schedule that does not work ends its own entry only
            self._fail(entry, error)
            return None

    def _give_back(self) -> None:
        """Free what a claim may have taken whose answer was lost.

        Just the leases that are found are named: a release that is held up on its way, and carried out when nobody
        waits for it any more, frees nothing that was claimed since.
        """
        if not self._unsure:
            return
        states = self._link.attempt("states", partial(self._store.states, sorted(self._unsure)))
        if abandoned := [Held(state.id, state.token) for state in states if self._is_abandoned(state)]:
            self._link.ask("release", partial(self._store.release, self._owner, abandoned))
        self._unsure.clear()

    def _is_abandoned(self, state: ScheduleState) -> bool:
        """Tell whether this instance holds a row without knowing it."""
        return state.owner == self._owner and not self._runner.is_known(Held(state.id, state.token))

    def _record(self) -> None:
        if not self._runner.has_ended or self._now() < self._record_at():
            return
        entries, now = self._runner.record()
        self._pace.note_record()
        for entry in entries:
            if not entry.is_leaving:
                self._consider(entry, now)

    def _record_at(self) -> float:
        """Return when to record the ends of runs: at once, if somebody waits for that, or nothing else can happen."""
        if self._runner.is_urgent or self._roster.has_leaving:
            return 0.0
        return self._pace.record_at if self._runner.enough else self._pace.affordable_at

    @property
    def enough(self) -> int:
        """How many messages that are patient are worth waking up for."""
        return self._runner.enough

    def _poll(self) -> None:
        now = self._now()
        if self._epoch is None or now < self._poll_at:
            return
        polled = self._link.ask("poll", partial(self._store.poll, self._epoch))
        self._poll_at = now + self._poll_every
        if polled.epoch != self._epoch:
            self._presence.beat_soon()
        self._epoch = polled.epoch
        if polled.states:
            self._pace.hurry()
        for state in polled.states:
            entry = self._roster.get(state.id)
            if entry is not None and entry.id not in self._registration:
                self._trimming.note_records(entry)  # what was paused or given back may have left a record
                self._learn(entry, state, polled.now)

    def _claim(self) -> None:
        free = self._free()
        if free <= 0 or self._now() < self._pace.claim_at:
            return
        now = self._link.now()
        # Not all that is due: what cannot be run would be asked for in vain.
        most = min(_AT_MOST, free * self._reach)
        due = self._agenda.take(now, min(most, max(free, _FEW)), now - _DONE_SOON, most)
        proposals, skips = self._wishes(due, now)
        try:
            self._skip(skips)
            self._propose(proposals, free)
        except StoreUnavailable:
            for id in (*(skip.id for skip in skips), *(proposal.id for proposal in proposals)):
                self._agenda.put(self._roster[id], now)
            raise

    def _propose(self, proposals: list[Proposal], free: int) -> None:
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
        won, wanted = len(claimed.grants), min(free, len(proposals))
        self._reach = min(self._reach * _FURTHER, _AT_MOST) if won < wanted else 1
        # With as many as may run at once there is nothing to gather for until ends were.
        is_busy, crowd = self._runner.is_busy, self._presence.crowd
        self._pace.note_claim(won, wanted, is_busy=is_busy, is_full=won == free, crowd=crowd)
        if claimed.not_before is not None:
            # The store gives leases again as soon as the longest one is over: later than that is a mistake.
            self._pace.wait_to_claim(min((claimed.not_before - claimed.now) / _MICRO, self._settings.lease))
        self._start(claimed, sent)
        for state in claimed.refused:
            self._learn(self._roster[state.id], state, claimed.now)
        if len(claimed.grants) + len(claimed.refused) < len(proposals):
            answered = {grant.id for grant in claimed.grants} | {state.id for state in claimed.refused}
            self._look_again(proposal.id for proposal in proposals if proposal.id not in answered)

    def _start(self, claimed: Claimed, sent: float) -> None:
        granted = [(self._roster[grant.id], grant) for grant in claimed.grants]
        for entry, _ in granted:
            entry.misses = 0
            self._agenda.put(entry, None)
        self._runner.start(granted, claimed, sent)

    def _free(self) -> int:
        """Return how many runs may be started now."""
        return 0 if self._presence.is_draining else self._runner.free

    def _wishes(self, entries: Iterable[Entry], now: int) -> tuple[list[Proposal], list[Skip]]:
        """Say what to ask of the store for entries whose time has come."""
        proposals: list[Proposal] = []
        skips: list[Skip] = []
        for entry in entries:
            match self._decide(entry, now, _due.look_again):
                case _due.Run(slot, base):
                    proposals.append(Proposal(entry.id, slot, base))
                case _due.PassOver(passed, following):
                    skips.append(Skip(entry.id, passed.until, passed, following))
                case _due.Wait(until):
                    self._agenda.put(entry, until)
                case _due.Finished() | None:
                    pass
        return proposals, skips

    def _skip(self, skips: list[Skip]) -> None:
        if not skips:
            return
        done = self._link.ask("skip", partial(self._store.skip, skips))
        # For the pace it is a claim of one, however many are skipped: nothing runs, pays, or ends for them.
        self._pace.note_claim(min(1, len(done.ids)), 1, is_busy=self._runner.is_busy, crowd=self._presence.crowd)
        for skip in skips:
            entry = self._roster[skip.id]
            if skip.id in done.ids:
                self._announce.skipped(skip.id, skip.passed)
                self._trimming.note_records(entry)
                entry.decided = skip.through
                entry.misses = 0
                if not entry.is_leaving:
                    self._consider(entry, done.now)
            else:
                self._registration.add(entry)  # its row has changed: read it again

    def _look_again(self, ids: Iterable[str]) -> None:
        """Look again soon at rows that another statement had locked; at those that are gone, make them again."""
        for id in ids:
            entry = self._roster[id]
            entry.misses += 1
            if entry.misses >= _MISSES:
                self._registration.add(entry)
            else:
                self._agenda.put(entry, self._link.now() + random.randint(*_LOCKED_AGAIN))

    def _fail(self, entry: Entry, error: BaseException | None) -> None:
        """End an entry with an error, once its run has ended."""
        entry.error = entry.error or error
        cause = Cancelled(f"{entry.id!r} failed: {error!r}")
        cause.__cause__ = error
        self.leave(entry, cause)

    def _let_go(self) -> None:
        self._runner.forget_late()
        for entry in self._roster.part():
            self._agenda.remove(entry)
            while (following := self._roster.successor(entry.id)) is not None:
                self.join(following)
        if not self.is_over:
            self.tell_hosts()

    def _now(self) -> float:
        return clock.current().boottime()


def _listen(store: Store, callback: Callable[[], object]) -> Callable[[], None]:
    """Call back when the bell of the store is rung, if that can be heard here, until what is returned is called."""
    if isinstance(store, Local):
        return store.on_ring(callback)
    return store.listen(callback) if isinstance(store, Listening) else _nothing


def _nothing() -> None:
    """There is nobody to stop listening to."""
