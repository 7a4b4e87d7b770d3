"""A store that writes down what its scheduler asks of it and hears from it, and stops where it is told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tasker.errors import StoreUnavailable
from tasker.ports import Beaten, Claimed, Done, Ending, Finished, Held, Proposal, Renewed, Store
from tests.fault.harness.log import Log

POINTS = (
    "before claim",
    "after claim",
    "before start",
    "between check and write",
    "after task",
    "before finish",
    "after finish",
    "before renew",
    "after renew",
)


class Failpoints:
    """Where this process stops as by SIGSTOP, once, when it comes there next."""

    def __init__(self) -> None:
        self.armed = ""

    def reach(self, point: str) -> None:
        if self.armed == point:
            self.armed = ""
            os.kill(os.getpid(), signal.SIGSTOP)


class Observed:
    """Stands between a scheduler and its store."""

    def __init__(self, store: Store, log: Log, failpoints: Failpoints) -> None:
        self._store = store
        self._log = log
        self._failpoints = failpoints
        self._is_draining = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim(self, owner: str, ttl: int, capacity: int, proposals: Sequence[Proposal]) -> Claimed:
        self._failpoints.reach("before claim")
        sent = self._log.write("asked", op="claim")
        claimed = self._store.claim(owner, ttl, capacity, proposals)
        self._failpoints.reach("after claim")
        for grant in claimed.grants:
            about = {"slot": grant.slot, "attempt": grant.attempt, "until": grant.lease_until}
            by_hand = {"manual": grant.manual, "requested": grant.state.requested}
            self._log.write("granted", grant.id, grant.token, sent=sent, now=claimed.now, **about, **by_hand)
        return claimed

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        self._failpoints.reach("before renew")
        sent = self._log.write("asked", op="renew")
        renewed = self._store.renew(owner, ttl, held, timeout)
        self._failpoints.reach("after renew")
        for each in held:
            if each.id in renewed.kept:
                about = {"sent": sent, "now": renewed.now, "until": renewed.now + ttl}
                self._log.write("kept", each.id, each.token, **about)
        return renewed

    def finish(self, owner: str, endings: Sequence[Ending]) -> Finished:
        self._failpoints.reach("before finish")
        sent = self._log.write("asked", op="finish")
        for ending in endings:
            about = {"sent": sent, "outcome": ending.outcome, "through": ending.through}
            self._log.write("finish", ending.id, ending.token, **about)
        finished = self._store.finish(owner, endings)
        self._failpoints.reach("after finish")
        for ending in endings:
            if answer := finished.answers.get(ending.id):
                self._log.write("answered", ending.id, ending.token, sent=sent, answer=answer)
        return finished

    def release(self, owner: str, abandoned: Sequence[Held]) -> Done:
        self._log.write("asked", op="release", abandoned=[asdict(each) for each in abandoned])
        return self._store.release(owner, abandoned)

    def beat(self, owner: str, name: str, version: str) -> Beaten:
        try:
            beaten = self._store.beat(owner, name, version)
        except StoreUnavailable:
            self._log.write("unheard")
            raise
        if beaten.is_draining != self._is_draining:
            self._is_draining = beaten.is_draining
            self._log.write("heard", is_draining=beaten.is_draining)
        return beaten
