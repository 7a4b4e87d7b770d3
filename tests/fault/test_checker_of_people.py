"""The checker finds what goes wrong with what people ask for, in logs made by hand, and nothing where all is right."""

from __future__ import annotations

from functools import partial

import pytest

from tests.fault.harness.checker import told, violations
from tests.fault.harness.log import Line
from tests.fault.harness.made_up import changed, found, log_of
from tests.fault.harness.rules_of_people import PEOPLE_RULES

CLEAN = """
0.0 runner schedule step=2 runs_all=False
1.9 a asked op=claim
2.1 a granted token=21 sent=1.9 now=2 until=5 slot=2 attempt=1
2.2 a started token=21
2.3 a returned token=21 how=done
2.4 a asked op=finish
2.4 a finish token=21 outcome=succeeded through=2 sent=2.4
2.5 a answered token=21 answer=recorded sent=2.4
3.0 people wished act=pause of=job
3.1 people fulfilled sent=3.0 now=3
5.0 people wished act=trigger of=job
5.1 people fulfilled sent=5.0 now=5
5.5 people wished act=trigger of=job
5.6 people fulfilled sent=5.5 now=5.5
5.9 a asked op=claim
6.0 a granted token=60 sent=5.9 now=6 until=9 slot=5 attempt=1 manual=True requested=5
6.1 a started token=60 manual=True
6.2 a returned token=60 how=done
6.3 a asked op=finish
6.3 a finish token=60 outcome=succeeded through=2 sent=6.3
6.4 a answered token=60 answer=recorded sent=6.3
7.0 people wished act=resume of=None
7.1 people fulfilled sent=7.0 now=7
7.5 people wished act=drain of=a
7.6 people fulfilled sent=7.5 now=7.5
8.0 a heard is_draining=True
10.0 b asked op=claim
10.1 b granted token=101 sent=10.0 now=10 until=13 slot=10 attempt=1
10.2 b started token=101
10.3 b returned token=101 how=done
10.4 b asked op=finish
10.4 b finish token=101 outcome=succeeded through=10 sent=10.4
10.5 b answered token=101 answer=recorded sent=10.4
11.0 people wished act=undrain of=a
11.1 people fulfilled sent=11.0 now=11
11.5 a heard is_draining=False
12.0 runner calm
12.1 a asked op=claim
12.2 a granted token=122 sent=12.1 now=12.1 until=15 slot=12 attempt=1
12.3 a started token=122
12.4 a returned token=122 how=done
12.5 a asked op=finish
12.5 a finish token=122 outcome=succeeded through=12 sent=12.5
12.6 a answered token=122 answer=recorded sent=12.5
30.0 a bye
30.0 b bye
31.0 runner state token=122 defined=1 decided=12 owner=None
31.0 runner record token=21 slot=2 until=None count=1 outcome=succeeded attempt=1 started=2
31.0 runner record token=60 slot=5 until=None count=1 outcome=succeeded attempt=1 started=6 manual=True
31.0 runner record slot=2.1 until=7 count=None outcome=skipped reason=paused attempt=0
31.0 runner record slot=8 until=8 count=1 outcome=skipped reason=misfired attempt=0
31.0 runner record token=101 slot=10 until=None count=1 outcome=succeeded attempt=1 started=10
31.0 runner record token=122 slot=12 until=None count=1 outcome=succeeded attempt=1 started=12.1
"""

log_with = partial(changed, CLEAN)


def test_nothing_is_wrong_with_a_log_of_what_people_may_expect() -> None:
    assert told(violations(log_of(CLEAN))) == ""


def test_a_wish_whose_outcome_is_doubtful_holds_nobody_to_anything() -> None:
    doubtful = CLEAN.replace("3.1 people fulfilled sent=3.0 now=3", "3.1 people doubtful sent=3.0 why=away")
    given = [
        "4.0 b asked op=claim",
        "4.1 b granted token=41 sent=4.0 now=4.0 until=7 slot=4 attempt=1",
    ]
    assert "paused" not in {rule for rule, _ in found(changed(doubtful, *given))}


def test_an_instance_that_gets_no_answer_hears_later_that_it_is_drained() -> None:
    given = [
        "9.0 a unheard",
        "9.9 a asked op=claim",
        "9.95 a granted token=99 sent=9.9 now=9.9 until=13 slot=8 attempt=1",
    ]
    assert "drained" not in {rule for rule, _ in found(log_with(*given))}


def test_a_request_that_is_in_doubt_may_be_run_once() -> None:
    doubtful = CLEAN.replace("5.1 people fulfilled sent=5.0 now=5", "5.1 people doubtful sent=5.0 why=away")
    assert found(log_of(doubtful)) == set()
    another = [
        "8.0 b asked op=claim",
        "8.1 b granted token=81 sent=8.0 now=8 until=11 slot=5.2 attempt=1 manual=True requested=5.2",
    ]
    assert ("asked for", "a run by hand was given that nobody asked for") in found(changed(doubtful, *another))


def test_a_slot_that_was_given_back_comes_before_a_request_also_in_a_pause() -> None:
    given = [
        "4.0 b asked op=claim",
        "4.1 b granted token=41 sent=4.0 now=5.8 until=7 slot=2 attempt=2 requested=5",
    ]
    assert "paused" not in {rule for rule, _ in found(log_with(*given))}


FORGOTTEN = """
0.0 runner schedule step=2 runs_all=False
6.0 a asked op=claim
6.1 a granted token=61 sent=6.0 now=6 until=9 slot=6 attempt=1
7.0 people wished act=pause of=job
7.1 people fulfilled sent=7.0 now=7
9.0 people wished act=resume of=job
9.1 people fulfilled sent=9.0 now=9
31.0 runner state token=61 defined=1 decided=9 owner=None slot=6
31.0 runner record token=61 slot=6 until=None count=1 outcome=lease_lost attempt=1 started=6
31.0 runner record slot=6.000001 until=9 count=None outcome=skipped reason=paused attempt=0
"""


def test_slots_that_were_missed_before_one_that_was_in_the_row_in_a_pause_have_no_record() -> None:
    assert found(log_of(FORGOTTEN)) == set()
    of_all = log_of(FORGOTTEN.replace("runs_all=False", "runs_all=True"))
    assert ("exactly one outcome", "slot 1004000000 has no outcome") in found(of_all)


BROKEN = [
    (
        "a slot that is given in a pause",
        log_with("4.0 b asked op=claim", "4.1 b granted token=41 sent=4.0 now=4 until=7 slot=4 attempt=1"),
        ("paused", "a slot was given while its schedule was paused"),
    ),
    (
        "a new slot that is given in a pause before what was asked for",
        log_with(
            "5.8 b asked op=claim", "5.9 b granted token=59 sent=5.8 now=5.8 until=9 slot=4 attempt=1 requested=5"
        ),
        ("paused", "a slot was given while its schedule was paused"),
    ),
    (
        "a slot that is recorded as run although it came in a pause",
        log_with("31.0 runner record token=41 slot=4 until=None count=1 outcome=succeeded attempt=1 started=4"),
        ("passed over", "a slot that came in a pause was run"),
    ),
    (
        "a pause that is recorded for another reason",
        log_with(instead=("reason=paused", "reason=misfired")),
        ("passed over", "a slot that came in a pause was skipped as misfired"),
    ),
    (
        "a pause that is recorded and was none",
        log_with("31.0 runner record slot=12.1 until=13 count=None outcome=skipped reason=paused attempt=0"),
        ("pauses are known", "slots were skipped in a pause that nobody ended"),
    ),
    (
        "a manual run that nobody asked for",
        log_with(without="5.0 people wished"),
        ("asked for", "a run by hand was given that nobody asked for"),
    ),
    (
        "a request that nobody made",
        log_with(instead=("slot=10 attempt=1", "slot=10 attempt=1 requested=9")),
        ("asked for", "a request was seen that nobody made"),
    ),
    (
        "a request that is lost",
        log_with("6.5 people wished act=trigger of=job", "6.6 people fulfilled sent=6.5 now=6.5"),
        ("run as asked", "a run of job was asked for, and none came to an end"),
    ),
    (
        "a manual run that is given back and never started again",
        log_with(
            instead=("slot=5 until=None count=1 outcome=succeeded", "slot=5 until=None count=1 outcome=lease_lost")
        ),
        ("run as asked", "a run of job was asked for, and none came to an end"),
    ),
    (
        "a manual run that is given again when it is done",
        log_with("9.0 b asked op=claim", "9.1 b granted token=91 sent=9.0 now=9 until=12 slot=5 attempt=1 manual=True"),
        ("run once", "what was asked for by hand was given again"),
    ),
    (
        "a manual run that is recorded as another",
        log_with(instead=("started=6 manual=True", "started=6")),
        ("known as asked", "a run does not know what it comes from"),
    ),
    (
        "a task that believes to be run by the schedule",
        log_with(instead=("started token=60 manual=True", "started token=60")),
        ("known as asked", "a run does not know what it comes from"),
    ),
    (
        "an instance that does not hear that it is drained",
        log_with("9.9 a asked op=claim", "9.95 a granted token=99 sent=9.9 now=9.9 until=13 slot=8 attempt=1"),
        ("drained", "an instance asked for a slot 2.300000 s after it was drained"),
    ),
    (
        "an instance that does not hear that it may go on",
        log_with(without="11.5 a heard"),
        ("goes on", "an instance was still drained long after the last fault"),
    ),
]


@pytest.mark.parametrize(("lines", "expected"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_it_finds(lines: list[Line], expected: tuple[str, str]) -> None:
    assert expected in found(lines)


def test_every_rule_has_a_log_that_breaks_it() -> None:
    assert {expected[0] for _, _, expected in BROKEN} == set(PEOPLE_RULES)
