"""The product with a promise broken on purpose, so that it can be seen whether the checker finds that out."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tasker.lease import renewal
from tasker.ports import Answer, Beaten, Claimed, Ending, Finished, Polled, Proposal, Store
from tasker.scheduler import _runner

_AN_HOUR = 3_600_000_000


def mutated(name: str, store: Store, url: str) -> Store:
    """Return a store that breaks a promise, and break the product around it if that is what does so."""
    return _MUTATIONS[name](store, url) if name else store


class _Altered:
    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _execute(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=5, isolation_level=None)) as file:
            file.execute(statement, values)


class _NoTokenCheck(_Altered):
    """Whoever reports an ending is believed, whatever token he has."""

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        states = {state.id: state for state in self._store.states([ending.id for ending in endings])}
        answers: dict[str, Answer] = {}
        for ending in endings:
            state = states[ending.id]
            anybody = state.owner or owner
            finished = self._store.finish(anybody, [replace(ending, token=state.token)])
            answers.update(finished.answers)
        return Finished(states[endings[0].id].ended or 0, answers)


class _LocalClock(_Altered):
    """It is the caller's clock that says whether a lease is over, and that is an hour ahead."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        here = time.time_ns() // 1000 + _AN_HOUR
        self._execute("UPDATE tasker_schedule SET lease_until = 0 WHERE lease_until <= ?", here)
        return self._store.claim(owner, ttl, capacity, proposals)


class _NoCompareAndSet(_Altered):
    """What was decided is forgotten when the next slot is claimed."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        for each in proposals:
            forget = "UPDATE tasker_schedule SET decided = 0 WHERE id = ? AND slot IS NULL"
            self._execute(forget, each.id)
        states = {state.id: state for state in self._store.states()}
        before = [replace(each, slot=_before(each, states[each.id].next_slot)) for each in proposals]
        return self._store.claim(owner, ttl, capacity, before)


def _before(proposal: Proposal, next_slot: int | None) -> int:
    """Return the slot before a proposed one, as far as anybody knows the step."""
    step = (next_slot or proposal.slot) - proposal.slot
    return proposal.slot - max(step, 1_000_000)


class _NoPause(_Altered):
    """Nobody hears of a pause, and it is forgotten when the next slot is claimed."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        self._execute("UPDATE tasker_schedule SET paused = NULL")
        return self._store.claim(owner, ttl, capacity, proposals)

    def poll(self, epoch: int) -> Polled:
        polled = self._store.poll(epoch)
        return replace(polled, states=tuple(replace(state, paused=None) for state in polled.states))


class _RequestsStay(_Altered):
    """What was asked for by hand is asked for still when its run has begun."""

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        claimed = self._store.claim(owner, ttl, capacity, proposals)
        for grant in claimed.grants:
            if grant.manual:
                self._execute("UPDATE tasker_schedule SET requested = ? WHERE id = ?", grant.slot, grant.id)
        return claimed


class _NoDraining(_Altered):
    """No instance hears that it is to start nothing new."""

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        return replace(self._store.beat(owner, name, version), is_draining=False)


def _renew_after_expiry(store: Store, url: str) -> Store:
    """Whoever held a lease renews it whenever he can, and believes that it is his until he hears otherwise."""
    renewal.Renewal.deadline_of = lambda self, sent: sent + 3600  # type: ignore[method-assign]
    return store


def _release_before_return(store: Store, url: str) -> Store:
    """A run is recorded as soon as it has started."""
    product: Any = _runner
    start = product.start_from_anywhere

    def start_and_let_go(task: Any, ctx: Any, home: Any, variables: Any, then: Any) -> None:
        start(task, ctx.without_cancel(), home, variables, lambda left: None)
        then(None)

    product.start_from_anywhere = start_and_let_go
    return store


def _altered(kind: type[_Altered], store: Store, url: str) -> Store:
    return cast("Store", kind(store, url))


_MUTATIONS: Mapping[str, Callable[[Store, str], Store]] = {
    "no token check": partial(_altered, _NoTokenCheck),
    "local clock": partial(_altered, _LocalClock),
    "no compare and set": partial(_altered, _NoCompareAndSet),
    "no pause": partial(_altered, _NoPause),
    "requests stay": partial(_altered, _RequestsStay),
    "no draining": partial(_altered, _NoDraining),
    "renew after expiry": _renew_after_expiry,
    "release before return": _release_before_return,
}
