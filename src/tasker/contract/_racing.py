"""What must hold when many instances ask at the same moment: threads, each with a handle of its own."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from uuid import uuid4

from tasker.contract._stores import (
    LONG,
    ROOM,
    A,
    StoreSteps,
    due_slot,
    expire,
    finish,
    now_of,
    outcomes,
    runs,
    state_of,
    take,
    together,
)
from tasker.ports import Answer, Definition, Ending, Grant, Outcome, Proposal, Store

_INSTANCES = 6
_ROUNDS = 15


class Racing(StoreSteps):
    """However many ask, one gets it."""

    def test_one_of_many_gets_a_slot(self) -> None:
        store = self.start()
        for _ in range(_ROUNDS):
            slot = due_slot(store)
            winners = self._race([Proposal("job", slot)], LONG)
            assert len(winners) == 1, f"{len(winners)} instances hold the same slot"
            owner, grant = winners[0]
            finish(store, grant, owner=owner)
        assert outcomes(store) == [Outcome.SUCCEEDED] * _ROUNDS

    def test_one_of_many_takes_over_a_lease_that_is_over(self) -> None:
        store = self.start()
        expire(store, take(store, ttl=self.short()))
        winners = self._race([Proposal("job", due_slot(store))], LONG)
        assert [grant.attempt for _, grant in winners] == [2]
        assert outcomes(store) == [Outcome.LEASE_LOST]

    def test_a_batch_is_shared_out_without_doubles_and_without_deadlock(self) -> None:
        ids = [f"job {number:02}" for number in range(40)]
        store = self.start(*ids)
        slot = due_slot(store, ids[-1])
        for state in store.states():
            slot = max(slot, state.decided + 1)
        winners = self._race([Proposal(id, slot) for id in ids], LONG)
        given = Counter(grant.id for _, grant in winners)
        assert max(given.values()) == 1, f"given twice: {given}"
        assert {grant.id for grant in store.claim(A, LONG, ROOM, [Proposal(id, slot) for id in ids]).grants} == (
            set(ids) - set(given)
        )

    def test_many_register_at_once(self) -> None:
        ids = [f"job {number:02}" for number in range(40)]
        handles = [self.open() for _ in range(_INSTANCES)]
        seen: list[set[str]] = []

        def registrar(store: Store) -> Callable[[], None]:
            mixed = random.sample(ids, len(ids))
            definitions = [Definition(id, "every second") for id in mixed]
            return lambda: seen.append({state.id for state in store.register(definitions).states})

        together(map(registrar, handles))
        assert seen == [set(ids)] * _INSTANCES
        assert [state.id for state in self.open().states()] == ids

    def test_the_same_ending_sent_by_many_is_recorded_once(self) -> None:
        grant = take(self.start())
        handles = [self.open() for _ in range(_INSTANCES)]
        answers: list[Answer] = []

        def finisher(store: Store) -> Callable[[], None]:
            return lambda: answers.append(finish(store, grant))

        together(map(finisher, handles))
        assert sorted(answers) == [Answer.ALREADY] * (_INSTANCES - 1) + [Answer.RECORDED]
        assert len(runs(handles[0])) == 1

    def _race(self, proposals: list[Proposal], ttl: int) -> list[tuple[str, Grant]]:
        """Let several instances propose the same slots at once; return who got what."""
        winners: list[tuple[str, Grant]] = []

        def racer(store: Store) -> Callable[[], None]:
            owner = str(uuid4())
            mixed = random.sample(proposals, len(proposals))

            def propose() -> None:
                reply = store.claim(owner, ttl, max(1, len(proposals) // _INSTANCES), mixed)
                winners.extend((owner, grant) for grant in reply.grants)

            return propose

        together([racer(self.open()) for _ in range(_INSTANCES)])
        return winners


class Working(StoreSteps):
    """Instances that run, crash and are interrupted at random, and a history that tells one story in the end."""

    def test_each_slot_succeeds_once_and_runs_never_overlap(self) -> None:
        ids = [f"job {number}" for number in range(5)]
        store = self.start(*ids)
        slots = {state.id: [state.decided + number for number in range(1, 9)] for state in store.states()}
        for id in ids:
            due_slot(store, id)
        workers = [_Worker(self.open(), slots, self.short()) for _ in range(_INSTANCES)]
        together([worker.run for worker in workers])
        log = [entry for worker in workers for entry in worker.log]
        for id in ids:
            _check_story(store, id, slots[id], sorted((e for e in log if e.grant.id == id), key=_token))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One run: when it was certainly under way, by the store's clock, and what the store said to its end."""

    grant: Grant
    begun: int
    over: int
    answer: Answer | None
    outcome: Outcome | None

    @property
    def succeeded(self) -> bool:
        return self.answer is Answer.RECORDED and self.outcome is Outcome.SUCCEEDED


def _token(entry: _Entry) -> int:
    return entry.grant.token


class _Worker:
    """An instance that runs the first undecided slot of any schedule, over and over, until all are decided."""

    def __init__(self, store: Store, slots: Mapping[str, list[int]], ttl: int) -> None:
        self.log: list[_Entry] = []
        self._owner = str(uuid4())
        self._store = store
        self._ttl = ttl
        self._slots = slots
        self._random = random.Random(self._owner)

    def run(self) -> None:
        end = time.monotonic() + 40
        while proposals := self._proposals():
            assert time.monotonic() < end, f"not all slots were decided in time; left: {proposals}"
            reply = self._store.claim(self._owner, self._ttl, 2, proposals)
            for grant in reply.grants:
                self._work(grant, reply.now)

    def _proposals(self) -> list[Proposal]:
        states = list(self._store.states())
        self._random.shuffle(states)
        return [
            Proposal(state.id, min(slot for slot in self._slots[state.id] if slot > state.decided))
            for state in states
            if state.decided < self._slots[state.id][-1]
        ]

    def _work(self, grant: Grant, begun: int) -> None:
        time.sleep(self._random.random() * 0.004)
        outcome = self._random.choices((Outcome.SUCCEEDED, Outcome.INTERRUPTED, None), (12, 2, 1))[0]
        if outcome is None:  # a crash: nobody hears of it again
            self.log.append(_Entry(grant, begun, min(now_of(self._store), grant.lease_until), None, None))
            return
        through = grant.slot if outcome is Outcome.SUCCEEDED else None
        over = min(now_of(self._store), grant.lease_until)
        reply = self._store.finish(
            self._owner, [Ending(id=grant.id, token=grant.token, outcome=outcome, through=through)]
        )
        self.log.append(_Entry(grant, begun, over, reply.answers[grant.id], outcome))


def _check_story(store: Store, id: str, slots: list[int], log: list[_Entry]) -> None:
    for before, after in pairwise(log):
        assert before.grant.token < after.grant.token, f"{id}: the token {after.grant.token} was given twice"
        assert before.over <= after.begun, f"{id}: two runs overlapped by the store's clock: {before} and {after}"
        assert before.grant.slot <= after.grant.slot, f"{id}: a slot was run again after a later one"
        assert not before.succeeded or before.grant.slot < after.grant.slot, (
            f"{id}: a slot that had succeeded was given again: {before} and {after}"
        )
    done = [entry.grant.slot for entry in log if entry.succeeded]
    assert done == slots, f"{id}: expected each slot to succeed once, in order: {slots}; got {done}"
    records = runs(store, id)
    assert [record.slot for record in records if record.outcome is Outcome.SUCCEEDED] == slots
    assert sorted(record.token for record in records) == [entry.grant.token for entry in log], (
        f"{id}: each attempt has one record"
    )
    state = state_of(store, id)
    assert (state.decided, state.owner, state.slot, state.runs) == (slots[-1], None, None, len(log))
