"""The checker finds each kind of broken promise in a log made by hand, and nothing in one that is as it should be."""

from __future__ import annotations

from functools import partial

import pytest

from tests.fault.harness.checker import told, violations
from tests.fault.harness.log import Line
from tests.fault.harness.made_up import changed, found, log_of
from tests.fault.harness.rules_of_leases import LEASE_RULES
from tests.fault.harness.rules_of_recovery import RECOVERY_RULES
from tests.fault.harness.rules_of_slots import SLOT_RULES

CLEAN = """
0.0 runner schedule step=2 runs_all=False
1.9 a asked op=claim
2.1 a granted token=21 sent=1.9 now=2 until=5 slot=2 attempt=1
2.2 a started token=21
2.3 a step token=21
2.4 resource accepted token=21
2.9 a asked op=renew
3.0 a kept token=21 sent=2.9 now=3 until=6
3.1 a returned token=21 how=done
3.2 a asked op=finish
3.2 a finish token=21 outcome=succeeded through=2 sent=3.2
3.3 a answered token=21 answer=recorded sent=3.2
4.0 b asked op=claim
4.1 b granted token=41 sent=4.0 now=4 until=7 slot=4 attempt=1
4.2 b started token=41
4.3 b step token=41
4.4 resource accepted token=41
4.5 b told token=41 cause=LeaseLost
4.6 b step token=41
4.7 b returned token=41 how=ended
4.8 b asked op=finish
4.8 b finish token=41 outcome=lease_lost through=None sent=4.8
4.9 b answered token=41 answer=recorded sent=4.8
5.0 runner calm
5.0 a asked op=claim
5.1 a granted token=51 sent=5.0 now=5 until=8 slot=4 attempt=2
5.2 a started token=51
5.3 a returned token=51 how=done
5.4 a asked op=finish
5.4 a finish token=51 outcome=succeeded through=4 sent=5.4
5.5 a answered token=51 answer=recorded sent=5.4
20.0 a bye
20.0 b bye
21.0 runner ended status=0 wanted=0
22.0 runner state token=51 defined=1 decided=6 owner=None
22.0 runner record token=21 slot=2 until=None count=1 outcome=succeeded attempt=1
22.0 runner record token=41 slot=4 until=None count=1 outcome=lease_lost attempt=1
22.0 runner record token=51 slot=4 until=None count=1 outcome=succeeded attempt=2
22.0 runner record slot=6 until=6 count=1 outcome=skipped attempt=0
22.0 runner left what=connections count=0
"""


log_with = partial(changed, CLEAN)


def test_nothing_is_wrong_with_a_log_of_what_was_promised() -> None:
    assert told(violations(log_of(CLEAN))) == ""


def test_a_log_without_rules_is_no_log() -> None:
    assert [violation.rule for violation in violations([])] == ["log"]


def test_an_instance_that_was_killed_is_told_nothing_and_its_slot_is_taken_over_in_the_end() -> None:
    killed = """
    0.0 runner schedule step=2 runs_all=False
    1.9 a asked op=claim
    2.1 a granted token=21 sent=1.9 now=2 until=5 slot=2 attempt=1
    2.2 a started token=21
    5.0 b asked op=claim
    5.1 b granted token=51 sent=5.0 now=5 until=8 slot=2 attempt=2
    9.0 b bye
    """
    assert found(log_of(killed)) == set()


def test_a_frozen_instance_is_told_when_it_goes_on() -> None:
    frozen = """
    0.0 runner schedule step=2 runs_all=False
    1.9 a asked op=claim
    2.1 a granted token=21 sent=1.9 now=2 until=5 slot=2 attempt=1
    2.2 a started token=21
    5.0 b asked op=claim
    5.1 b granted token=51 sent=5.0 now=5 until=8 slot=2 attempt=2
    30.0 a stall since=2.3
    30.5 a step token=21
    30.6 a told token=21 cause=LeaseLost
    30.7 a returned token=21 how=ended
    40.0 a bye
    """
    assert found(log_of(frozen)) == set()
    late = frozen.replace("30.5 a step", "31.9 a step").replace("30.6", "32.0").replace("30.7", "32.1")
    assert found(log_of(late)) == {
        ("told in time", "a task went on without being told that its lease was over"),
        ("no step after", "a task did a step after its lease was over"),
    }


BROKEN = [
    (
        "a token that is used twice",
        log_with("9.0 b asked op=claim", "9.1 b granted token=21 sent=9.0 now=9 until=12 slot=8 attempt=1"),
        ("unique tokens", "a token was given twice"),
    ),
    (
        "a token that is smaller than one that was known before",
        log_with("9.0 b asked op=claim", "9.1 b granted token=40 sent=9.0 now=9 until=12 slot=8 attempt=1"),
        ("growing tokens", "a token is smaller than one that was given before it was asked for"),
    ),
    (
        "two leases at once",
        log_with("5.2 b asked op=claim", "5.3 b granted token=52 sent=5.2 now=9 until=12 slot=8 attempt=1"),
        ("one at a time", "a lease was given 0.100000 s before another was over"),
    ),
    (
        "a renewal that was asked for too late and believed",
        log_of(
            """
            0.0 runner schedule step=2 runs_all=False
            1.9 a asked op=claim
            2.1 a granted token=21 sent=1.9 now=2 until=5 slot=2 attempt=1
            2.2 a started token=21
            4.5 a asked op=renew
            4.6 a kept token=21 sent=4.5 now=4.5 until=7.5
            6.5 a returned token=21 how=done
            """
        ),
        ("told in time", "a task went on without being told that its lease was over"),
    ),
    (
        "a lease that the store gives away too early by its own clock",
        log_with(instead=("until=5 slot=2", "until=9 slot=2"), without="3.2 a finish"),
        ("one at a time, by the store", "by its own clock the store gave a lease 5.000000 s too early"),
    ),
    (
        "a lease that is given back before its task has returned",
        log_with(instead=("3.1 a returned", "3.9 a returned")),
        ("not freed before returned", "a lease was given back before its task had returned"),
    ),
    (
        "a task that never returned, whose lease was given back",
        log_with(without="3.1 a returned"),
        ("not freed before returned", "a lease was given back before its task had returned"),
    ),
    (
        "an ending under an old token",
        log_with(
            "4.3 a asked op=finish",
            instead=(
                "3.3 a answered token=21 answer=recorded sent=3.2",
                "4.4 a answered token=21 answer=recorded sent=4.3",
            ),
        ),
        ("old tokens count nothing", "an ending was recorded under an old token"),
    ),
    (
        "a write under an old token",
        log_with("4.5 resource accepted token=21"),
        ("fenced", "a write under an old token was accepted"),
    ),
    (
        "work without a lease",
        log_with("6.0 a step token=77"),
        ("log", "it is about a lease that nobody was given"),
    ),
    (
        "a reply to nothing",
        log_with(without="1.9 a asked"),
        ("log", "it is the reply to a request that nobody sent"),
    ),
    (
        "a slot that is given before it is due",
        log_with(instead=("now=2 until=5", "now=1.9 until=4.9")),
        ("never early", "a slot was given before it was due"),
    ),
    (
        "what is no slot",
        log_with("9.0 b asked op=claim", "9.1 b granted token=91 sent=9.0 now=9 until=12 slot=8.5 attempt=1"),
        ("never early", "what was given is no slot of the schedule"),
    ),
    (
        "a slot that succeeded twice",
        log_with("22.0 runner record token=52 slot=4 until=None count=1 outcome=succeeded attempt=3"),
        ("at most once", "a slot has two outcomes"),
    ),
    (
        "a slot that is given again after it was decided",
        log_with("9.0 b asked op=claim", "9.1 b granted token=91 sent=9.0 now=9 until=12 slot=2 attempt=1"),
        ("not started again", "a slot of job was given again after it was decided"),
    ),
    (
        "a slot that was lost",
        log_with(without="22.0 runner record slot=6"),
        ("exactly one outcome", "slot 1006000000 has no outcome"),
    ),
    (
        "a slot that was skipped twice",
        log_with("22.0 runner record slot=6 until=6 count=1 outcome=skipped attempt=0"),
        ("exactly one outcome", "slot 1006000000 has several outcomes"),
    ),
    (
        "a slot that was run and skipped",
        log_with("22.0 runner record slot=4 until=4 count=1 outcome=skipped attempt=0"),
        ("exactly one outcome", "slot 1004000000 has several outcomes"),
    ),
    (
        "a slot that was given up after its first attempt",
        log_with(without="22.0 runner record token=51"),
        ("exactly one outcome", "slot 1004000000 was given up too early"),
    ),
    (
        "a range that does not add up",
        log_with(instead=("until=6 count=1", "until=6 count=2")),
        ("skips are allowed", "a record says 2 slots, and there are 1"),
    ),
    (
        "a skipped slot where all are run",
        log_with(instead=("runs_all=False", "runs_all=True")),
        ("skips are allowed", "slots were skipped of a schedule that runs all of them"),
    ),
    (
        "an attempt that is missing",
        log_with(without="22.0 runner record token=41"),
        ("attempts follow", "the attempts at slot 1004000000 do not follow one another"),
    ),
    (
        "an attempt after the answer",
        log_with(instead=("count=1 outcome=lease_lost", "count=1 outcome=succeeded")),
        ("attempts follow", "slot 1004000000 was started again after it was answered"),
    ),
    (
        "a run without a record",
        log_with(without="22.0 runner record token=21"),
        ("every run is recorded", "a run has 0 records"),
    ),
    (
        "a success of what was not done",
        log_with(instead=("5.3 a returned token=51 how=done", "5.3 a returned token=51 how=ended")),
        ("every run is recorded", "a success is recorded of a run that was not done"),
    ),
    (
        "nothing started after the last fault",
        log_with(instead=("5.0 runner calm", "5.3 runner calm")),
        ("runs again", "nothing was started of job in time after the last fault"),
    ),
    (
        "nothing recorded in time after the last fault",
        log_with(instead=("5.5 a answered", "15.5 a answered")),
        ("runs again", "nothing was recorded of job in time after the last fault"),
    ),
    (
        "a connection that is left behind",
        log_with(instead=("count=0", "count=2")),
        ("nothing left", "2 connections were left behind"),
    ),
    (
        "an instance that crashed",
        log_with(instead=("status=0", "status=1")),
        ("nothing crashed", "an instance ended with status 1, not 0"),
    ),
    (
        "an instance that complained",
        log_with("9.0 runner complaint text=ERROR"),
        ("nothing crashed", "an instance complained"),
    ),
]


@pytest.mark.parametrize(("lines", "expected"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_it_finds(lines: list[Line], expected: tuple[str, str]) -> None:
    assert expected in found(lines)


def test_every_rule_has_a_log_that_breaks_it() -> None:
    broken = {expected[0] for _, _, expected in BROKEN} | {"no step after"}
    assert broken == {*LEASE_RULES, *SLOT_RULES, *RECOVERY_RULES}


def test_a_violation_is_told_with_the_lines_that_show_it_and_no_others() -> None:
    bad = log_with("4.5 resource accepted token=21")
    assert told(violations(bad)).splitlines() == [
        "fenced: a write under an old token was accepted",
        "     +0.000000 resource   accepted job token=41",
        "     +0.100000 resource   accepted job token=21",
    ]
