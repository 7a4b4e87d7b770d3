from __future__ import annotations

from typing import Any

import pytest

from tasker import Context, Scheduler
from tasker.ports import Definition, Ending, Outcome, Passed, Proposal, Reason, Skip
from tasker.store import memory
from tasker.testing import VirtualClock

ME = "2f1ad9f2a1d84b2aa1a0a0e8a6b9a7d1"


def test_the_clock_is_tasker_s_own() -> None:
    with VirtualClock():
        store = memory.Store()
        now = store.poll(0).now
        assert now == 1_767_225_600_000_000
        assert store.poll(0).now == now


def test_a_lease_ends_in_virtual_time() -> None:
    with VirtualClock():
        store = memory.Store()
        decided = store.register([Definition("job", "every second")]).states[0].decided
        Context.background().wait(1)
        (grant,) = store.claim(ME, 15_000_000, 1, [Proposal("job", decided + 1_000_000)]).grants
        assert grant.lease_until == decided + 16_000_000
        Context.background().wait(14.999999)
        assert store.claim(ME, 1, 1, [Proposal("job", decided + 2_000_000)]).grants == ()
        Context.background().wait(0.000001)
        (taken,) = store.claim(ME, 1, 1, [Proposal("job", decided + 2_000_000)]).grants
        assert (taken.slot, taken.attempt) == (grant.slot, 2)


def test_a_slot_is_due_at_its_very_instant_and_not_before() -> None:
    with VirtualClock():
        store = memory.Store()
        decided = store.register([Definition("job", "every second")]).states[0].decided
        Context.background().wait(0.999999)
        assert store.claim(ME, 1, 1, [Proposal("job", decided + 1_000_000)]).grants == ()
        Context.background().wait(0.000001)
        assert len(store.claim(ME, 1, 1, [Proposal("job", decided + 1_000_000)]).grants) == 1


def test_history_is_bounded_for_each_schedule() -> None:
    store = memory.Store(keep=3)
    decided = store.register([Definition("job", "every second")]).states[0].decided
    for number in range(1, 6):
        slot = decided + number
        store.skip([Skip("job", slot, Passed(slot, slot, 1, Reason.MISFIRED))])
    assert [record.slot - decided for record in store.history("job", 10)] == [5, 4, 3]


def test_an_ending_is_known_as_recorded_even_if_its_record_is_gone() -> None:
    store = memory.Store(keep=0)
    decided = store.register([Definition("job", "every second")]).states[0].decided
    while store.poll(0).now <= decided:
        pass
    (grant,) = store.claim(ME, 15_000_000, 1, [Proposal("job", decided + 1)]).grants
    ending = Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=grant.slot)
    answers = [store.finish(ME, [ending]).answers["job"] for _ in range(2)]
    assert answers == ["recorded", "already"]


def test_closing_keeps_what_is_there() -> None:
    store = memory.Store(namespace="anything")
    store.register([Definition("job", "every second")])
    store.close()
    assert [state.id for state in store.states()] == ["job"]


@pytest.mark.parametrize(
    ("namespace", "error"), [("a;drop table x", ValueError), ("1a", ValueError), (5, TypeError), (None, TypeError)]
)
def test_a_namespace_that_other_stores_refuse_is_refused_here_too(namespace: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^namespace: expected "):
        memory.Store(namespace)
    with pytest.raises(error, match=r"^namespace: expected "):
        Scheduler("memory:", namespace=namespace)
