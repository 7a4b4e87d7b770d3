"""A product that breaks a promise on purpose is caught: the cluster under faults would find a bug of that kind.

Where random timing would not show it, an instance is halted at the very place.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fault.harness.arena import HEARS, Arena
from tests.fault.harness.backends import Sqlite
from tests.fault.harness.checker import told, violations
from tests.fault.harness.log import read
from tests.fault.harness.plan import Fault, Step

pytestmark = pytest.mark.slow
LONG = 3.0
"""Seconds: longer than a lease, and the time in which another instance takes over."""


HALTED = Fault("frozen between check and write", 0, LONG)
LOCKED = Fault("file locked", None, LONG)
PEACE = Fault("frozen for a moment", 0, 0.1)
# Of a schedule that has a slot each second.
PAUSED = Fault("paused", 1, LONG)
TRIGGERED = Fault("triggered", 1, 1.0)
DRAINED = Fault("drained", 0, HEARS + LONG)
ROUNDS = 5


def rules_broken(arena: Arena) -> set[str]:
    return {violation.rule for violation in violations(read(arena.path))}


def is_caught(folder: Path, rule: str, *options: str, fault: Fault = PEACE, is_fenced: bool = True) -> bool:
    """Put a cluster under a fault, again and again if need be, and tell whether the checker finds a rule broken."""
    with Arena(Sqlite(folder), folder, *options, is_fenced=is_fenced) as arena:
        time.sleep(1)
        for _ in range(ROUNDS):
            arena.suffer(Step([fault], 1))
            if rule in rules_broken(arena):
                return True
    return False


@pytest.mark.parametrize("fault", [HALTED, LOCKED, PAUSED, TRIGGERED, DRAINED], ids=str)
def test_no_rule_is_broken_without_a_mutation(fault: Fault, tmp_path: Path) -> None:
    with Arena(Sqlite(tmp_path), tmp_path, "--longer=4") as arena:
        time.sleep(1)
        arena.suffer(Step([fault], 1))
        arena.collect()
        assert told(violations(arena.lines)) == ""


def test_a_store_without_the_check_of_tokens_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "old tokens count nothing", "--mutation=no token check", fault=HALTED)


def test_a_resource_without_the_check_of_tokens_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "fenced", fault=HALTED, is_fenced=False)


def test_a_renewal_after_expiry_is_caught(tmp_path: Path) -> None:
    # Tasks that are still at work when they should have been told.
    assert is_caught(tmp_path, "told in time", "--mutation=renew after expiry", "--longer=4", fault=LOCKED)


def test_judging_by_the_local_clock_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "one at a time, by the store", "--mutation=local clock")


def test_letting_go_before_the_task_has_returned_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "not freed before returned", "--mutation=release before return")


def test_skipping_the_compare_and_set_of_slots_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "not started again", "--mutation=no compare and set")


def test_a_store_that_forgets_a_pause_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "paused", "--mutation=no pause", fault=PAUSED)


def test_running_what_was_asked_for_twice_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "run once", "--mutation=requests stay", fault=TRIGGERED)


def test_an_instance_that_does_not_hear_that_it_is_drained_is_caught(tmp_path: Path) -> None:
    assert is_caught(tmp_path, "drained", "--mutation=no draining", fault=DRAINED)
