"""The simple ports as a store: a locker factory for the leases and a repository for the states, key by key.

Policy and waiting stay above; here each operation of `Store` becomes, for each id, a lock and one or two steps of the
repository. What a pair cannot do: it has no clock of its own, so the clocks of the instances must agree; it keeps no
history; its bell is heard in this process only, so what another instance changes is seen at the next slot; it knows no
instances; and its promises after a lost lock rest on the repository refusing an older token.

The rules of a row are those of all stores (`tasker.store._rules`).

Whatever is written of a state that exists is written under the lock of its id: else it might undo the end of a run.

Threads: `register`, `claim`, `finish`, `skip` and `release` are called by the driver's thread only, so that a lock is
given back by the thread that took it. `_mutex` guards what the renewal's thread sees of it. `_writing` is held wherever
a state is read, changed and written, because `control` does so in any thread, also under the lock of a run that goes on
here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

from tasker._core import clock
from tasker._core.context import Context
from tasker.errors import Cancelled, StaleToken, StoreUnavailable
from tasker.ports import (
    FORMAT,
    Action,
    Answer,
    Beaten,
    Claimed,
    Definition,
    Done,
    Ending,
    Fenced,
    Finished,
    Grant,
    Held,
    Instance,
    LockerFactory,
    Polled,
    Proposal,
    Registered,
    Renewed,
    Repository,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store import _rules
from tasker.store._row import Row

logger: logging.Logger = logging.getLogger("tasker")

# A lock that another holds says nothing of when it will be free, nor does what its holder has noted.
_LOOK_AGAIN_AFTER = 1_000_000


class _Lock(NamedTuple):
    token: int
    locked: Context
    block: AbstractContextManager[Context | None]


class PairStore:
    """Implements `tasker.ports.Store` on a `LockerFactory` and a `Repository`."""

    # The calls are the locker's and the repository's own; how long they may take is up to them.
    call_limit = 1.0

    def __init__(self, locker_factory: LockerFactory, repository: Repository) -> None:
        """Put the two together."""
        self._factory = locker_factory
        self._repository = repository
        self._mutex = threading.Lock()
        self._writing = threading.RLock()
        self._epoch = 0
        self._rung: dict[str, int] = {}
        self._locks: dict[str, _Lock] = {}
        self._ids: set[str] = set()
        self._redefined: dict[str, tuple[Definition, int]] = {}
        self._answers: dict[Held, Answer] = {}

    def register(self, definitions: Sequence[Definition]) -> Registered:
        """Make the states that are missing, note changed definitions, and return all of them."""
        now = _now()
        for definition in definitions:
            self._register(definition, now)
        self._ids.update(definition.id for definition in definitions)
        states = self.states([definition.id for definition in definitions])
        shown = tuple(_held_by_another(state) if state.lease_until else state for state in states)
        return Registered(now, self._epoch, shown)

    def _register(self, definition: Definition, now: int) -> None:
        state = self._repository.find_by_id(definition.id)
        if state is None:
            self._repository.create(_rules.new(definition, now).state())
        elif state.definition != definition.text:
            self._redefined[definition.id] = (definition, now)
            with self._factory.locker_for(definition.id).try_lock(Context.background()) as locked:
                # While another holds it, it is not written: `_find` remembers it until the next claim here.
                row = None if locked is None else self._find(definition.id)
                if row is not None:
                    self._update(row)

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        """Lock and take up to `capacity` of the proposed slots."""
        now = _now()
        grants: list[Grant] = []
        refused: list[ScheduleState] = []
        for proposal in sorted(proposals, key=lambda each: each.id):
            granted = self._claim(owner, ttl, proposal) if len(grants) < capacity else None
            if isinstance(granted, Grant):
                grants.append(granted)
            elif granted is not None:
                refused.append(granted)
            elif (row := self._find(proposal.id)) is not None:
                refused.append(row.state())
        return Claimed(now, tuple(grants), tuple(refused))

    def _claim(self, owner: str, ttl: int, proposal: Proposal) -> Grant | ScheduleState | None:
        if proposal.id in self._locks:
            # Nobody proposes what runs here: it is of a run whose end could not be recorded.
            self._free(proposal.id)
        block = self._factory.locker_for(proposal.id).try_lock(Context.background())
        locked = block.__enter__()
        grant: Grant | None = None
        try:
            row = self._find(proposal.id)
            if row is None:
                return None
            if locked is None:
                return _held_by_another(row.state())
            grant = self._take(owner, ttl, proposal, row, locked)
            if grant is None:
                return None
            with self._mutex:
                self._locks[proposal.id] = _Lock(grant.token, locked, block)
            return grant
        finally:
            if grant is None:
                block.__exit__(None, None, None)

    def _take(self, owner: str, ttl: int, proposal: Proposal, row: Row, locked: Context) -> Grant | None:
        now = _now()
        # The lock is what excludes; a lease in the state is only what its last holder noted.
        row.lease_until = None
        if not _rules.is_claimable(row, proposal, now):
            return None
        grant, _ = _rules.claim(row, proposal, owner, ttl, now)
        if isinstance(locked, Fenced):
            row.token = locked.fencing_token
        return replace(grant, token=row.token) if self._update(row) else None

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        """Say which locks are still held; each locker renews its own."""
        del owner, ttl, timeout
        with self._mutex:
            kept = [each.id for each in held if self._has(each)]
        return Renewed(_now(), frozenset(kept))

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        """Record how runs ended, and free their locks."""
        for ending in endings:
            held = Held(ending.id, ending.token)
            # If a later one fails, all of them are sent again.
            if held not in self._answers:
                with self._writing:
                    self._answers[held] = self._finish(owner, ending)
        answers, self._answers = self._answers, {}
        return Finished(_now(), {held.id: answer for held, answer in answers.items()})

    def _finish(self, owner: str, ending: Ending) -> Answer:
        lock = self._locks.get(ending.id)
        if lock is None or lock.token != ending.token:
            return Answer.LOST
        row = self._find(ending.id)
        answer = Answer.LOST
        if row is not None and _rules.is_holder(row, owner, ending.token):
            _rules.finish(row, ending, _now())
            answer = Answer.RECORDED if self._update(row) else Answer.LOST
        elif row is not None and row.owner is None and row.token == ending.token:
            answer = Answer.ALREADY
        self._free(ending.id)
        return answer

    def skip(self, skips: Sequence[Skip]) -> Done:
        """Decide slots without a run, each under its lock."""
        now = _now()
        return Done(now, frozenset(skip.id for skip in skips if self._skip(skip, now)))

    def _skip(self, skip: Skip, now: int) -> bool:
        with self._factory.locker_for(skip.id).try_lock(Context.background()) as locked:
            row = None if locked is None else self._find(skip.id)
            if row is None:
                return False
            # What is locked here is held by nobody; an owner in the state is one that died.
            row.owner = row.lease_until = None
            return _rules.skip(row, skip, now) is not None and self._update(row)

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        """Free the rows that `owner` holds under just these tokens, and their locks."""
        return Done(_now(), frozenset(held.id for held in abandoned if self._release(owner, held)))

    def _release(self, owner: str, held: Held) -> bool:
        lock = self._locks.get(held.id)
        if lock is not None and lock.token == held.token:
            self._free(held.id)
        with self._factory.locker_for(held.id).try_lock(Context.background()) as locked:
            row = None if locked is None else self._find(held.id)
            if row is None or not _rules.is_holder(row, owner, held.token):
                return False
            _rules.release(row)
            return self._update(row)

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        """Pause, resume or trigger schedules."""
        known = [state.id for state in self.states(ids) if self._control(action, state.id)]
        with self._mutex:
            self._epoch += 1
            self._rung.update(dict.fromkeys(known, self._epoch))
        return Done(_now(), frozenset(known))

    def _control(self, action: Action, id: str) -> bool:
        with self._writing:
            if id in self._locks:
                return self._change(action, id)
        with Context.background().with_timeout(self.call_limit) as limit:
            try:
                with self._factory.locker_for(id).lock(limit), self._writing:
                    return self._change(action, id)
            except Cancelled as error:
                raise StoreUnavailable(
                    f"{id!r} runs just now, and its state can be changed under its lock only: try again later"
                ) from error

    def _change(self, action: Action, id: str) -> bool:
        row = self._find(id)
        if row is None:
            return False
        _rules.control(row, action, _now())
        return self._update(row)

    def poll(self, epoch: int) -> Polled:
        """Return the states that `control` has touched in this process; nobody hears of those that others touch."""
        with self._mutex:
            newest = self._epoch
            touched = [id for id, rung in self._rung.items() if rung > epoch]
        return Polled(_now(), newest, self.states(touched))

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        """Return the states with these ids; `None`: those that this process has registered."""
        found = (self._find(id) for id in sorted(self._ids if ids is None else set(ids)))
        return tuple(row.state() for row in found if row is not None)

    def history(self, id: str, limit: int) -> tuple[RunRecord, ...]:
        """There is no history."""
        del id, limit
        return ()

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        """There is nothing to delete."""
        del ids, keep, before
        return 0

    def purge(self, before: int) -> Done:
        """Delete nothing: a repository cannot say what it holds."""
        del before
        return Done(_now(), frozenset())

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        """Tell nobody: a pair has no place for instances."""
        del owner, name, version
        return Beaten(_now(), is_draining=False)

    def leave(self, owners: Sequence[str]) -> Done:
        """Forget nothing."""
        del owners
        return Done(_now(), frozenset())

    def instances(self) -> tuple[Instance, ...]:
        """Know no instances."""
        return ()

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        """Reach no instances."""
        del owners, draining
        return Done(_now(), frozenset())

    def close(self) -> None:
        """Free what is still locked."""
        for id in list(self._locks):
            self._free(id)

    def _has(self, held: Held) -> bool:
        lock = self._locks.get(held.id)
        return lock is not None and lock.token == held.token and not lock.locked.done

    def _free(self, id: str) -> None:
        with self._writing, self._mutex:
            lock = self._locks.pop(id)
        try:
            lock.block.__exit__(None, None, None)
        except Exception:
            # What was done under it is recorded all the same.
            logger.exception("the lock of %r could not be freed", id)

    def _find(self, id: str) -> Row | None:
        """Return a row, with a new definition that is not written yet."""
        state = self._repository.find_by_id(id)
        if state is None:
            return None
        row = Row.of(state)
        if id in self._redefined:
            _rules.register_again(row, *self._redefined[id])
        return row

    def _update(self, row: Row) -> bool:
        if row.format > FORMAT:
            return False  # a newer version wrote it, or it cannot be read
        try:
            self._repository.update(row.state())
        except StaleToken:
            return False
        self._redefined.pop(row.id, None)
        return True


def _held_by_another(state: ScheduleState) -> ScheduleState:
    return replace(state, owner=state.owner or "another", lease_until=_now() + _LOOK_AGAIN_AFTER)


def _now() -> int:
    return round(clock.current().time() * 1_000_000)
