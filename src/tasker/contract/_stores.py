"""The hooks of the store suite, and the steps that its promises are told in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Barrier, Thread
from unittest import SkipTest
from uuid import uuid4

from tasker.contract._promises import Promises, wait_for
from tasker.ports import (
    Answer,
    Claimed,
    Definition,
    Ending,
    Grant,
    Held,
    Outcome,
    Passed,
    Proposal,
    RunRecord,
    ScheduleState,
    Store,
)

A = str(uuid4())
"""The owner in most promises."""

B = str(uuid4())
"""Another owner."""

LONG = 60_000_000
"""A lease that does not end within a test, in microseconds."""

ROOM = 10_000
"""More capacity than any test has schedules."""


class StoreSteps(Promises):
    """What a suite for stores is made of; override the hooks, use the steps."""

    short_ttl: float = 0.2
    """Seconds of a lease whose end a test waits for."""

    def make_store(self) -> Store:
        """Hook: return a new handle on the same underlying store each time it is called within one test.

        Each test needs a store (or a namespace in it) without rows. Two handles stand for two instances of an
        application; where that makes no sense, return the same object. All handles are closed after the test.
        """
        raise NotImplementedError

    def make_newer(self, id: str) -> None:  # noqa: ARG002 - for those who override it
        """Hook, optional: raise the `format` of a stored row to `tasker.ports.FORMAT` + 1, behind the store's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that writes a row of a newer format")

    def make_unreadable(self, id: str) -> None:  # noqa: ARG002
        """Hook, optional: put something into a stored row that no version can read, behind the store's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that spoils a row")

    def delete_row(self, id: str) -> None:  # noqa: ARG002
        """Hook, optional: delete a stored row, behind the store's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that deletes a row")

    def set_token(self, id: str, token: int) -> None:  # noqa: ARG002
        """Hook, optional: set the last token of a stored row, behind the store's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that sets a token")

    def set_registered(self, id: str, instant: int) -> None:  # noqa: ARG002
        """Hook, optional: set the `registered` of a stored row, in microseconds, behind the store's back."""
        raise SkipTest(f"{type(self).__name__} has no hook that sets when a row was registered")

    def open(self) -> Store:
        """Return a handle that is closed after the test."""
        return self.closed_after(self.make_store())

    def start(self, *ids: str) -> Store:
        """Return a handle on a store in which these schedules (default: `job`) have just been registered."""
        store = self.open()
        store.register([Definition(id, "every second") for id in ids or ("job",)])
        return store

    def short(self) -> int:
        """Return the length of a short lease in microseconds."""
        return int(self.short_ttl * 1_000_000)


def state_of(store: Store, id: str = "job") -> ScheduleState:
    """Return the row of a schedule that must be there."""
    states = store.states([id])
    assert len(states) == 1, f"expected one row for {id!r}, got {states}"
    return states[0]


def now_of(store: Store) -> int:
    """Return the store's clock."""
    return store.poll(0).now


def wait_until(store: Store, instant: int) -> None:
    """Wait until the store's own clock has reached an instant."""
    wait_for(lambda: now_of(store) >= instant)


def due_slot(store: Store, id: str = "job") -> int:
    """Return a slot later than all decided ones that is due by the store's clock."""
    slot = state_of(store, id).decided + 1
    wait_until(store, slot)
    return slot


def claim(store: Store, *ids: str, owner: str = A, ttl: int = LONG, capacity: int = ROOM) -> Claimed:
    """Propose a due slot for each id (default: `job`), all in one call."""
    return store.claim(owner, ttl, capacity, [Proposal(id, due_slot(store, id)) for id in ids or ("job",)])


def take(store: Store, id: str = "job", *, owner: str = A, ttl: int = LONG) -> Grant:
    """Claim a due slot that must be given."""
    grants = claim(store, id, owner=owner, ttl=ttl).grants
    assert len(grants) == 1, f"a due slot of the free schedule {id!r} was refused: {state_of(store, id)}"
    return grants[0]


def is_refused(store: Store, id: str = "job", *, owner: str = B) -> bool:
    """Tell whether a due slot is refused, by a reply that holds the row instead."""
    reply = claim(store, id, owner=owner)
    assert len(reply.grants) + len(reply.refused) == 1, f"expected a grant or a refusal, got {reply}"
    return not reply.grants


def finish(
    store: Store,
    grant: Grant,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    owner: str = A,
    passed: tuple[Passed, ...] = (),
    error: str | None = None,
    retries: int = 0,
) -> Answer:
    """Report the end of a granted run; an interruption or a lost lease gives its slot back."""
    through = None if outcome in (Outcome.INTERRUPTED, Outcome.LEASE_LOST) else grant.slot
    ending = Ending(
        id=grant.id,
        token=grant.token,
        outcome=outcome,
        through=through,
        passed=passed,
        error=error,
        retries=retries,
    )
    answers = store.finish(owner, [ending]).answers
    assert set(answers) == {grant.id}, f"expected an answer for {grant.id!r}, got {answers}"
    return answers[grant.id]


def held(*grants: Grant) -> list[Held]:
    """Return what the holder of these grants renews."""
    return [Held(grant.id, grant.token) for grant in grants]


def renew(store: Store, *grants: Grant, owner: str = A, ttl: int = LONG) -> frozenset[str]:
    """Renew leases; return the ids that were kept."""
    return store.renew(owner, ttl, held(*grants), store.call_limit).kept


def expire(store: Store, *grants: Grant) -> None:
    """Wait until the leases of grants are over."""
    wait_until(store, max(grant.lease_until for grant in grants))


def outcomes(store: Store, id: str = "job") -> list[Outcome]:
    """Return how all records of a schedule ended, the oldest first."""
    return [record.outcome for record in reversed(store.history(id, ROOM))]


def only_record(store: Store, id: str = "job") -> RunRecord:
    """Return the one record of a schedule that has one."""
    records = store.history(id, ROOM)
    assert len(records) == 1, f"expected one record for {id!r}, got {records}"
    return records[0]


def runs(store: Store, id: str = "job") -> list[RunRecord]:
    """Return all records that are no skipped slots, the oldest first."""
    return [record for record in reversed(store.history(id, ROOM)) if record.outcome is not Outcome.SKIPPED]


def together(jobs: Iterable[Callable[[], None]]) -> None:
    """Run all jobs in threads that start at the same moment; raise the first error of any."""
    jobs = list(jobs)
    barrier = Barrier(len(jobs))
    errors: list[BaseException] = []

    def work(job: Callable[[], None]) -> None:
        try:
            barrier.wait(30)
            job()
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    threads = [Thread(target=work, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "an operation did not return within a minute"
    if errors:
        raise errors[0]
