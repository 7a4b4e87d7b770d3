from __future__ import annotations

from dataclasses import fields
from typing import Any

from tasker.ports import Ending, Grant, Outcome, ScheduleState
from tasker.scheduler._known import Known

STATE = ScheduleState(
    id="job",
    decided=10,
    defined=5,
    runs=3,
    ended=12,
    lease_until=40,
    slot=20,
    manual=True,
    paused=15,
    requested=16,
    format=2,
)


def known(facts: Known) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in Known.__slots__}


def ending(through: int | None) -> Ending:
    return Ending(id="job", token=7, outcome=Outcome.SUCCEEDED, through=through)


def after(grant: Grant, end: Ending) -> dict[str, Any]:
    facts = Known()
    facts.note_grant(grant)
    facts.note_end(grant, end, 50)
    return known(facts)


def test_nothing_is_known_but_what_a_state_has() -> None:
    assert set(Known.__slots__) < {field.name for field in fields(ScheduleState)}
    assert known(Known()) == {name: getattr(ScheduleState(id="job", decided=0), name) for name in Known.__slots__}


def test_a_state_is_taken_over() -> None:
    facts = Known()
    facts.note(STATE)

    assert known(facts) == {name: getattr(STATE, name) for name in Known.__slots__}
    assert all(value not in (None, False, 0, 1) for name, value in known(facts).items() if name != "manual")


def test_a_request_that_was_granted_is_not_one_any_more() -> None:
    facts = Known()
    facts.note_grant(Grant("job", 7, 16, False, 1, 40, ScheduleState(id="job", decided=10, requested=16)))
    assert facts.requested == 16

    facts.note_grant(Grant("job", 7, 16, True, 1, 40, ScheduleState(id="job", decided=10, requested=16)))
    assert facts.requested is None


def test_a_recorded_end_frees_the_row_and_decides_its_slot() -> None:
    before = ScheduleState(id="job", decided=10, runs=3, lease_until=40)
    found = after(Grant("job", 7, 20, False, 1, 40, before), ending(through=30))

    assert (found["decided"], found["slot"], found["lease_until"]) == (30, None, None)
    assert (found["ended"], found["runs"]) == (50, 4)


def test_a_slot_that_was_given_back_stays_in_the_row_as_what_it_is() -> None:
    before = ScheduleState(id="job", decided=10, requested=16)
    for manual in (False, True):
        found = after(Grant("job", 7, 20, manual, 1, 40, before), ending(through=None))
        assert (found["decided"], found["slot"], found["manual"]) == (10, 20, manual)
