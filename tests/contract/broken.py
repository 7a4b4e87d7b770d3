"""Stores that break one promise each, made from the memory store by small changes, and a way to run promises."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from threading import Lock
from typing import Any
from unittest import SkipTest

from tasker._core.context import Context
from tasker.contract import LeaseStoreContract, LockerFactoryContract, Promises, RepositoryContract, StoreContract
from tasker.ports import (
    FORMAT,
    REGISTERED_ANEW_AFTER,
    Acquired,
    Action,
    Answer,
    Beaten,
    Claimed,
    Definition,
    Done,
    Ending,
    Finished,
    Grant,
    Held,
    Instance,
    Polled,
    Proposal,
    Registered,
    Renewed,
    RunRecord,
    ScheduleState,
    Skip,
)
from tasker.store import _rules, memory
from tasker.store._packed import unpacked
from tasker.store._row import Row

FAR = 2**60


def verdict(suite: type[Promises], promise: str) -> AssertionError | None:
    """Run one promise of a suite as pytest would; return how it failed, or `None` if it is kept.

    Raises:
        LookupError: The suite has no such promise, or skips it: then it proves nothing.
    """
    test = suite()
    test.setup_method()
    try:
        getattr(test, promise)()
    except AssertionError as failure:
        return failure
    except (SkipTest, AttributeError) as error:
        raise LookupError(f"{suite.__name__} does not run {promise}") from error
    finally:
        test.teardown_method()
    return None


def suite_for(store: type[memory.Store]) -> type[StoreContract]:
    """Return the store suite for a kind of memory store."""

    class Suite(StoreContract):
        def setup_method(self) -> None:
            super().setup_method()
            self.store = store()

        def make_store(self) -> memory.Store:
            return self.store

        def make_newer(self, id: str) -> None:
            self.store._rows[id].format = FORMAT + 1

        def set_token(self, id: str, token: int) -> None:
            self.store._rows[id].token = token

        def delete_row(self, id: str) -> None:
            del self.store._rows[id]

        def set_registered(self, id: str, instant: int) -> None:
            self.store._rows[id].registered = instant

    return Suite


class TwoHolders(memory.Store):
    """Gives a row that is held."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for row in self._rows.values():
            row.lease_until = None if row.lease_until is None else 0
        return super().claim(owner, ttl, capacity, proposals)


class TwoHoldersInARace(memory.Store):
    """Looks first and gives later, with nothing that holds the others off in between."""

    def __init__(self) -> None:
        super().__init__()
        self._mutex = nullcontext()  # type: ignore[assignment]

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        time.sleep(0.001)
        return super()._grant(row, proposal, owner, ttl, now)


class EndlessLease(memory.Store):
    """Never gives the row of a dead owner to another."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for row in self._rows.values():
            row.lease_until = None if row.owner is None else FAR
        return super().claim(owner, ttl, capacity, proposals)


class EarlyEnd(memory.Store):
    """Gives leases away a little before their end, as a store does that trusts the clock of its caller."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for row in self._rows.values():
            if row.lease_until is not None and row.lease_until - self._now() < 100_000:
                row.lease_until = 0
        return super().claim(owner, ttl, capacity, proposals)


class LostUpdate(memory.Store):
    """Writes the whole row back as it was read when the run began, over what people asked for meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._read: dict[str, ScheduleState] = {}

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        reply = super().claim(owner, ttl, capacity, proposals)
        self._read |= {state.id: state for state in self.states([grant.id for grant in reply.grants])}
        return reply

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        for ending in endings:
            row, read = self._rows.get(ending.id), self._read.get(ending.id)
            if row is not None and read is not None:
                row.requested, row.paused = read.requested, read.paused
        return super().finish(owner, endings)


class SlotTwice(memory.Store):
    """Does not note that a slot is decided."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        return super().finish(owner, [replace(e, through=None if e.through is None else 0) for e in endings])


class StaleToken(memory.Store):
    """Believes whoever says that he finished."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        rows = [self._rows[ending.id] for ending in endings]
        current = [replace(ending, token=row.token) for ending, row in zip(endings, rows, strict=True)]
        return super().finish(rows[0].owner or owner, current)


class StaleRenewal(memory.Store):
    """Renews by name."""

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        return super().renew(owner, ttl, [Held(h.id, self._rows[h.id].token) for h in held], timeout)


class TooEarly(memory.Store):
    """Gives slots that are not due."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        now = self._now()
        return super().claim(owner, ttl, capacity, [replace(p, slot=min(p.slot, now)) for p in proposals])


class Undecided(memory.Store):
    """Gives slots that were decided before."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for proposal in proposals:
            if proposal.id in self._rows:
                self._rows[proposal.id].decided = 0
        return super().claim(owner, ttl, capacity, proposals)


class NoBase(memory.Store):
    """Does not look at the base of a proposal."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        return super().claim(owner, ttl, capacity, [replace(p, base=None) for p in proposals])


class NoCapacity(memory.Store):
    """Gives more than was asked for."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        return super().claim(owner, ttl, len(proposals), proposals)


class NoPause(memory.Store):
    """Runs what is paused."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        paused = {id: row.paused for id, row in self._rows.items()}
        for row in self._rows.values():
            row.paused = None
        reply = super().claim(owner, ttl, capacity, proposals)
        for id, since in paused.items():
            self._rows[id].paused = since
        return reply


class PausesWhatWasAskedFor(memory.Store):
    """Gives no manual run of a paused schedule a second time."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        wanted = [each for each in proposals if not (self._rows[each.id].paused and self._rows[each.id].manual)]
        return super().claim(owner, ttl, capacity, wanted)


class SkipsWhatWasPaused(memory.Store):
    """Records slots that passed during a run though a pause has a record of them."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        decided = {id: row.decided for id, row in self._rows.items()}
        for row in self._rows.values():
            row.decided = 0
        finished = super().finish(owner, endings)
        for id, before in decided.items():
            self._rows[id].decided = max(before, self._rows[id].decided)
        return finished


class TokenWithoutClock(memory.Store):
    """Counts tokens from 1, so that they start again with a lost row."""

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        token = row.token
        grant = super()._grant(row, proposal, owner, ttl, now)
        row.token = token + 1
        return replace(grant, token=row.token)


class TokenOfTheClock(memory.Store):
    """Gives the same token twice when the clock stands still."""

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        grant = super()._grant(row, proposal, owner, ttl, now)
        row.token = now // 1_000_000 * 1_000_000 + 1_000_000
        return replace(grant, token=row.token)


class ForgetsTheDead(memory.Store):
    """Takes a row over without a word about the attempt that died."""

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        row.owner = None
        return super()._grant(row, proposal, owner, ttl, now)


class ForgetsTheSlot(memory.Store):
    """Goes on with the proposed slot where an attempt at another one died."""

    def _grant(self, row: Row, proposal: Proposal, owner: str, ttl: int, now: int) -> Grant:
        row.slot = None
        return super()._grant(row, proposal, owner, ttl, now)


class ForgetsEndings(memory.Store):
    """Takes an ending that comes again for one that came too late."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        reply = super().finish(owner, endings)
        known = {Answer.ALREADY: Answer.LOST}
        return replace(reply, answers={id: known.get(answer, answer) for id, answer in reply.answers.items()})


class RemembersOneEnding(memory.Store):
    """Knows a repeated ending only until the next run is recorded."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        for ending in endings:
            records = self._records.get(ending.id, [])
            self._records[ending.id] = [kept for kept in records if unpacked(kept).token != ending.token]
        return super().finish(owner, endings)


class RecordsTwice(memory.Store):
    """Writes the history before it looks whether the ending counts."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        reply = super().finish(owner, endings)
        for ending in endings:
            if reply.answers[ending.id] is Answer.ALREADY:
                self._record(RunRecord(id=ending.id, at=reply.now, slot=0, outcome=ending.outcome, token=ending.token))
        return reply


class DecidedGoesBack(memory.Store):
    """Believes the holder that fewer slots are decided than were."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        reply = super().finish(owner, endings)
        for ending in endings:
            if ending.through is not None and reply.answers[ending.id] is Answer.RECORDED:
                self._rows[ending.id].decided = ending.through
        return reply


class SilentGiveBack(memory.Store):
    """Rings no bell when a slot is given back."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        epoch = self._epoch
        reply = super().finish(owner, endings)
        self._epoch = epoch
        return reply


class PollMisses(memory.Store):
    """Numbers what it rang for when it is asked, not when it rang: two that ring at once are heard as one."""

    def poll(self, epoch: int) -> Polled:
        reply = super().poll(epoch)
        return replace(reply, states=reply.states[:1])


class SkipsWhatRuns(memory.Store):
    """Decides slots of a row that is held."""

    def skip(self, skips: Sequence[Skip]) -> Done:
        rows = [row for row in self._rows.values() if row.slot is not None]
        slots = [(row, row.slot, row.owner) for row in rows]
        for row in rows:
            row.slot = row.owner = None
        reply = super().skip(skips)
        for row, slot, owner in slots:
            row.slot, row.owner = slot, owner
        return reply


class SkipsByTheEnd(memory.Store):
    """Looks only at where a range ends: its begin may be decided already."""

    def skip(self, skips: Sequence[Skip]) -> Done:
        return super().skip([replace(skip, passed=replace(skip.passed, slot=skip.through)) for skip in skips])


class ReleasesWhatRuns(memory.Store):
    """Does not look at the token: a release that comes late frees what runs."""

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        rows = [self._rows[held.id] for held in abandoned if held.id in self._rows]
        return super().release(owner, [Held(row.id, row.token) for row in rows])


class CountsReleased(memory.Store):
    """Counts an attempt that never was one."""

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        for held in abandoned:
            if held.id in self._rows and self._rows[held.id].owner == owner:
                self._rows[held.id].attempt += 1
        return super().release(owner, abandoned)


class LosesReleased(memory.Store):
    """Empties a row whose slot nobody can propose any more, as a pause that has ended has decided more than that."""

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        done = super().release(owner, abandoned)
        for id in done.ids:
            row = self._rows[id]
            row.slot = row.slot if row.attempt or row.manual else None
        return done


class Forgiving(memory.Store):
    """Takes ids that look alike for the same, as many a database does by default."""

    def register(self, definitions: Sequence[Definition]) -> Registered:
        return super().register([replace(d, id=d.id.strip().lower()) for d in definitions])

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        return super().claim(owner, ttl, capacity, [replace(p, id=p.id.strip().lower()) for p in proposals])

    def states(self, ids: Sequence[str] | None = None) -> tuple[ScheduleState, ...]:
        return super().states(None if ids is None else [id.strip().lower() for id in ids])


class FirstThousand(memory.Store):
    """Forgets what does not fit into one statement."""

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        return super().renew(owner, ttl, held[:1_000], timeout)


class Downgrades(memory.Store):
    """Reads rows of a newer version as if they were its own."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for row in self._rows.values():
            row.format = FORMAT
        return super().claim(owner, ttl, capacity, proposals)


class ResumesWithABurst(memory.Store):
    """Leaves the slots that a pause has swallowed to be run."""

    def control(self, action: Action, ids: Sequence[str] | None) -> Done:
        decided = {id: row.decided for id, row in self._rows.items()}
        reply = super().control(action, ids)
        for id, instant in decided.items():
            self._rows[id].decided = instant
        return reply


class RegistersOnce(memory.Store):
    """Notes who runs a schedule when its row is made, and never again."""

    def register(self, definitions: Sequence[Definition]) -> Registered:
        before = {id: row.registered for id, row in self._rows.items()}
        reply = super().register(definitions)
        for id, instant in before.items():
            self._rows[id].registered = instant
        return reply


class RegistersEachTime(memory.Store):
    """Writes each row whenever an instance starts."""

    def register(self, definitions: Sequence[Definition]) -> Registered:
        for definition in definitions:
            if definition.id in self._rows:
                self._rows[definition.id].registered = self._now()
        return super().register(definitions)


class RegistersAsChanged(memory.Store):
    """Takes what is registered anew for a changed definition, so that missed slots are forgotten."""

    def register(self, definitions: Sequence[Definition]) -> Registered:
        for definition in definitions:
            row = self._rows.get(definition.id)
            if row is not None and row.registered < self._now() - REGISTERED_ANEW_AFTER:
                row.definition = "another"
        return super().register(definitions)


class RegistersNewer(memory.Store):
    """Notes who runs a schedule in a row that a newer version wrote."""

    def register(self, definitions: Sequence[Definition]) -> Registered:
        for row in self._rows.values():
            if row.registered < self._now() - REGISTERED_ANEW_AFTER:
                row.registered = self._now()
        return super().register(definitions)


class ForgetsRetries(memory.Store):
    """Does not write how often a task was tried."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        return super().finish(owner, [replace(ending, retries=0) for ending in endings])


class CutsErrors(memory.Store):
    """Stores errors as C does."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        return super().finish(owner, [replace(e, error=e.error and e.error.partition("\0")[0]) for e in endings])


class CountsRetries(memory.Store):
    """Counts each retry as a run."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        for ending in endings:
            if ending.id in self._rows:
                self._rows[ending.id].runs += ending.retries
        return super().finish(owner, endings)


class PurgesNothing(memory.Store):
    """Says that nobody is to go."""

    def purge(self, before: int) -> Done:
        del before
        return Done(self._now(), frozenset())


class PurgesWhatIsRegistered(memory.Store):
    """Takes what was registered at the very instant for older."""

    def purge(self, before: int) -> Done:
        return super().purge(before + 1)


class PurgesByDefinition(memory.Store):
    """Goes by the age of the definition: what has not changed for long is deleted, whoever runs it."""

    def purge(self, before: int) -> Done:
        registered = [(row, row.registered) for row in self._rows.values()]
        for row, _ in registered:
            row.registered = row.decided
        reply = super().purge(before)
        for row, instant in registered:
            row.registered = instant
        return reply


class PurgesWhatRuns(memory.Store):
    """Does not look at leases."""

    def purge(self, before: int) -> Done:
        for row in self._rows.values():
            row.lease_until = None
        return super().purge(before)


class PurgesInARace(memory.Store):
    """Looks first and deletes later, whatever happened to the rows in between."""

    def purge(self, before: int) -> Done:
        with self._mutex:
            now = self._now()
            old = [row.id for row in self._select(None) if _rules.is_purgeable(row, before, now)]
        gone: list[str] = []
        for id in old:
            time.sleep(0.001)
            with self._mutex:
                gone += [id] if self._rows.pop(id, None) else []
        return Done(now, frozenset(gone))


class TellsAllWhoPurge(memory.Store):
    """Answers with what was to go, not with what went."""

    def purge(self, before: int) -> Done:
        with self._mutex:
            old = [row.id for row in self._select(None) if row.registered < before]
        time.sleep(0.01)
        return replace(super().purge(before), ids=frozenset(old))


class KeepsWhatIsOver(memory.Store):
    """Keeps a row for an owner that died."""

    def purge(self, before: int) -> Done:
        for row in self._rows.values():
            row.lease_until = None if row.owner is None else FAR
        return super().purge(before)


class PurgesNewer(memory.Store):
    """Does not look at the format."""

    def purge(self, before: int) -> Done:
        for row in self._rows.values():
            row.format = FORMAT
        return super().purge(before)


class PurgesWithoutEnd(memory.Store):
    """Deletes all at once, however many they are."""

    def purge(self, before: int) -> Done:
        reply = super().purge(before)
        return Done(reply.now, reply.ids | self.purge(before).ids) if reply.ids else reply


class PurgesTheNewest(memory.Store):
    """Deletes any thousand."""

    def _select(self, ids: Iterable[str] | None) -> list[Row]:
        return super()._select(ids) if ids is not None else super()._select(None)[::-1]


class KeepsHistory(memory.Store):
    """Forgets the history of what it deletes, so that the next schedule of that name inherits it."""

    def purge(self, before: int) -> Done:
        records = dict(self._records)
        reply = super().purge(before)
        self._records |= records
        return reply


class PurgesAllHistory(memory.Store):
    """Deletes the history of others too."""

    def purge(self, before: int) -> Done:
        reply = super().purge(before)
        if reply.ids:
            self._records.clear()
        return reply


class BeatsAnew(memory.Store):
    """Takes each beat for the first."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        self._instances.pop(owner, None)
        return super().beat(owner, name, version)


class BeatsOnce(memory.Store):
    """Notes the first beat of an instance only."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        known = self._instances.get(owner)
        reply = super().beat(owner, name, version)
        if known is not None:
            self._instances[owner] = known
        return reply


class BeatsForAll(memory.Store):
    """Notes a beat for everyone."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        reply = super().beat(owner, name, version)
        self._instances = {id: replace(each, seen=reply.now) for id, each in self._instances.items()}
        return reply


class BeatsInTheBell(memory.Store):
    """Rings the bell for the rows of whoever beats."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        reply = super().beat(owner, name, version)
        self._ring([row.id for row in self._rows.values() if row.owner == owner])
        return reply


class InTheOrderOfComing(memory.Store):
    """Lists instances as they came."""

    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instances.values())


class NobodyLeaves(memory.Store):
    """Keeps those who leave."""

    def leave(self, owners: Sequence[str]) -> Done:
        return Done(self._now(), frozenset(owners) & frozenset(self._instances))


class AllLeave(memory.Store):
    """Forgets everyone."""

    def leave(self, owners: Sequence[str]) -> Done:
        reply = super().leave(owners)
        self._instances.clear()
        return reply


class AnswersAll(memory.Store):
    """Repeats whom it was asked for."""

    def leave(self, owners: Sequence[str]) -> Done:
        return Done(super().leave(owners).now, frozenset(owners))

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        return Done(super().drain(owners, draining=draining).now, frozenset(owners))


class ReleasesWhoLeaves(memory.Store):
    """Frees the rows of whoever leaves: what still runs there would be run twice."""

    def leave(self, owners: Sequence[str]) -> Done:
        for row in self._rows.values():
            if row.owner in owners:
                _rules.release(row)
        return super().leave(owners)


class DrainsUntilTheNextBeat(memory.Store):
    """Forgets the wish of people with the next beat."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        reply = super().beat(owner, name, version)
        self._instances[owner] = replace(self._instances[owner], is_draining=False)
        return reply


class DrainsForEver(memory.Store):
    """Never lets a drained instance go on."""

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        del draining
        return super().drain(owners, draining=True)


class DrainsAll(memory.Store):
    """Drains everyone."""

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        known = frozenset(self._instances)
        reply = super().drain(list(known), draining=draining)
        return replace(reply, ids=known & frozenset(owners))


class DrainsInSilence(memory.Store):
    """Rings no bell."""

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        epoch = self._epoch
        reply = super().drain(owners, draining=draining)
        self._epoch = epoch
        return reply


class DrainsWithRows(memory.Store):
    """Rings the bell for every schedule."""

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        reply = super().drain(owners, draining=draining)
        self._ring(self._rows)
        return reply


class DrainsAsABeat(memory.Store):
    """Takes a word about an instance for a word of that instance."""

    def drain(self, owners: Sequence[str], *, draining: bool) -> Done:
        reply = super().drain(owners, draining=draining)
        for owner in reply.ids:
            self._instances[owner] = replace(self._instances[owner], seen=reply.now)
        return reply


class RefusesTheDrained(memory.Store):
    """Gives nothing to whoever drains, or is not known."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        known = self._instances.get(owner)
        return super().claim(owner, ttl, 0 if known is None or known.is_draining else capacity, proposals)


class LocksBySight(memory.Store):
    """Frees and extends locks by their owner's word alone."""

    def free(self, owner: str, held: Sequence[Held]) -> Done:
        for lease in held:
            if lease.id in self._locks:
                self._locks[lease.id].owner = None
        return super().free(owner, held)


class LocksTwice(memory.Store):
    """Gives a lock that is taken."""

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        for row in self._locks.values():
            row.owner = None
        return super().acquire(owner, ttl, keys)


class LocksForEver(memory.Store):
    """Never gives the lock of a dead owner to another."""

    def acquire(self, owner: str, ttl: int, keys: Sequence[str]) -> Acquired:
        for row in self._locks.values():
            row.lease_until = FAR
        return super().acquire(owner, ttl, keys)


def lease_suite_for(store: type[memory.Store]) -> type[LeaseStoreContract]:
    """Return the lock suite for a kind of memory store."""

    class Suite(LeaseStoreContract):
        def setup_method(self) -> None:
            super().setup_method()
            self.store = store()

        def make_store(self) -> memory.Store:
            return self.store

    return Suite


class Unfenced(memory.Repository):
    """Accepts every token."""

    def update(self, state: ScheduleState) -> None:
        self._states[state.id] = state


class Recreates(memory.Repository):
    """Writes over the state that is there."""

    def create(self, state: ScheduleState) -> None:
        self._states[state.id] = state


class ReadsNewerAsItsOwn(memory.Repository):
    """Forgets the format."""

    def create(self, state: ScheduleState) -> None:
        super().create(replace(state, format=FORMAT))


class HidesNewer(memory.Repository):
    """Finds only what it understands."""

    def find_by_id(self, id: str) -> ScheduleState | None:
        state = super().find_by_id(id)
        return None if state is None or state.format > FORMAT else state


def repository_suite_for(repository: type[memory.Repository]) -> type[RepositoryContract]:
    """Return the suite for a kind of repository."""

    class Suite(RepositoryContract):
        def setup_method(self) -> None:
            super().setup_method()
            self.repository = repository()

        def make_repository(self) -> memory.Repository:
            return self.repository

    return Suite


class ThreadLocks:
    """A locker factory for the threads of one process, as small as one can be: correct, but not fenced."""

    def __init__(self) -> None:
        self._locks: dict[str, Lock] = {}

    def locker_for(self, key: str) -> ThreadLocker:
        return ThreadLocker(self._locks.setdefault(key, Lock()))


class ThreadLocker:
    """A lock of `ThreadLocks`."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        while True:
            ctx.raise_if_done()
            with self.try_lock(ctx) as locked:
                if locked is not None:
                    yield locked
                    return
            ctx.wait(0.002)

    @contextmanager
    def try_lock(self, ctx: Context) -> Iterator[Context | None]:
        if not self._lock.acquire(blocking=False):
            yield None
            return
        try:
            with ctx.with_cancel() as locked:
                yield locked
        finally:
            self._lock.release()


class NobodyIsKeptOut(ThreadLocks):
    """Makes a new lock whenever it is asked for one."""

    def locker_for(self, key: str) -> ThreadLocker:
        return ThreadLocker(Lock())


class OneLockForAll(ThreadLocks):
    """Does not look at the key."""

    def locker_for(self, key: str) -> ThreadLocker:
        return super().locker_for("")


class DeafToTheEnd(ThreadLocks):
    """Does not look at the context."""

    def locker_for(self, key: str) -> ThreadLocker:
        return _DeafLocker(self._locks.setdefault(key, Lock()))


class _DeafLocker(ThreadLocker):
    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        with self._lock:
            yield ctx


class KeepsAfterFailure(ThreadLocks):
    """Frees a lock only after a block that went well."""

    def locker_for(self, key: str) -> ThreadLocker:
        return _LeakyLocker(self._locks.setdefault(key, Lock()))


class _LeakyLocker(ThreadLocker):
    @contextmanager
    def lock(self, ctx: Context) -> Iterator[Context]:
        ctx.raise_if_done()
        self._lock.acquire()
        yield ctx
        self._lock.release()


def locker_suite_for(factory: type[Any]) -> type[LockerFactoryContract]:
    """Return the locker suite for a kind of locker factory."""

    class Suite(LockerFactoryContract):
        def setup_method(self) -> None:
            super().setup_method()
            self.factory = factory()

        def make_locker_factory(self) -> ThreadLocks:
            made: ThreadLocks = self.factory
            return made

    return Suite
