"""An instance that dies, or stands still for longer than its lease, at each point of a run.

What it leaves behind is the same in every store: its slot is run again under a larger token, or was recorded before.
"""

from __future__ import annotations

import signal

import pytest

from tests._support.processes import Program
from tests._support.stage import Stage

pytestmark = pytest.mark.slow

# Where it halts, and how the attempts at the slot end that it was about then.
POINTS = {
    "before claim": ["succeeded"],
    "after claim": ["lease_lost", "succeeded"],
    "begun": ["lease_lost", "succeeded"],
    "checked": ["lease_lost", "succeeded"],
    "before finish": ["lease_lost", "succeeded"],
    "after finish": ["succeeded"],
}


def halted(stage: Stage, by: str) -> dict[str, Program]:
    """Start an instance for each of the points, and wait until all of them halted there."""
    victims = {
        point: stage.start("--ids", point, "--halt", point, "--by", by, "--first", "0.1" if "finish" in point else "30")
        for point in POINTS
    }
    for victim in victims.values():
        stage.seen("halts", of=victim)
    return victims


def check_slots(stage: Stage) -> None:
    for point, outcomes in POINTS.items():
        slot = stage.history(point)[0].slot
        assert (point, stage.attempts(slot, point)) == (point, outcomes)


def test_an_instance_that_is_killed_at_any_point_costs_no_slot_and_doubles_no_record(stage: Stage) -> None:
    victims = halted(stage, "SIGKILL")
    for victim in victims.values():
        stage.ended(victim)
    other = stage.start("--ids", *POINTS)
    for point in POINTS:
        stage.seen("done", of=other, id=point)
    stage.stop()
    check_slots(stage)
    assert stage.problems(lost=victims.values()) == []
    assert stage.stale() == []


def test_an_instance_that_stands_still_at_any_point_for_longer_than_its_lease_harms_nothing_when_it_goes_on(
    stage: Stage,
) -> None:
    victims = halted(stage, "SIGSTOP")
    other = stage.start("--ids", *POINTS)
    for point in POINTS:
        stage.seen("done", of=other, id=point)
    for victim in victims.values():
        victim.signal(signal.SIGCONT)
    for point in ("begun", "checked"):
        left = stage.seen("left", of=victims[point])
        assert left.detail == "LeaseLost"
    stage.stop()
    check_slots(stage)
    assert stage.problems(lost=victims.values()) == []
    # Between looking at its context and writing nothing can help but the token.
    assert "checked" in {note.id for note in stage.stale()}
