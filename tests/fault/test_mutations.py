"""A product that breaks a promise on purpose is caught: the cluster under faults would find a bug of that kind.

Where random timing would not show it, an instance is halted at the very place.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fault.harness.arena import Arena
from tests.fault.harness.backends import Sqlite
from tests.fault.harness.checker import violations
from tests.fault.harness.plan import Fault, Step

pytestmark = pytest.mark.slow
LONG = 3.0
"""Seconds: longer than a lease, and the time in which another instance takes over."""


HALTED = Fault("frozen between check and write", 0, LONG)
LOCKED = Fault("file locked", None, LONG)


def rules_broken_by(
    folder: Path, *options: str, fault: Fault | None = None, is_fenced: bool = True, seconds: float = 1.0
) -> set[str]:
    """Run a cluster, put it under a fault, and return the rules that the checker finds broken."""
    with Arena(Sqlite(folder), folder, *options, is_fenced=is_fenced) as arena:
        time.sleep(seconds)
        if fault is not None:
            arena.suffer(Step([fault], 0.5))
        arena.collect()
    return {violation.rule for violation in violations(arena.lines)}


@pytest.mark.parametrize("fault", [HALTED, LOCKED, None], ids=str)
def test_no_rule_is_broken_without_a_mutation(fault: Fault | None, tmp_path: Path) -> None:
    assert rules_broken_by(tmp_path, "--longer=4", fault=fault, seconds=2) == set()


def test_a_store_without_the_check_of_tokens_is_caught(tmp_path: Path) -> None:
    assert "old tokens count nothing" in rules_broken_by(tmp_path, "--mutation=no token check", fault=HALTED)


def test_a_resource_without_the_check_of_tokens_is_caught(tmp_path: Path) -> None:
    assert rules_broken_by(tmp_path, fault=HALTED, is_fenced=False) == {"fenced"}


def test_a_renewal_after_expiry_is_caught(tmp_path: Path) -> None:
    # Tasks that are still at work when they should have been told.
    options = ("--longer=4", "--mutation=renew after expiry")
    assert rules_broken_by(tmp_path, *options, fault=LOCKED, seconds=2) >= {"told in time", "no step after"}


def test_judging_by_the_local_clock_is_caught(tmp_path: Path) -> None:
    broken = rules_broken_by(tmp_path, "--mutation=local clock", seconds=4)
    assert broken >= {"one at a time", "one at a time, by the store"}


def test_letting_go_before_the_task_has_returned_is_caught(tmp_path: Path) -> None:
    assert "not freed before returned" in rules_broken_by(tmp_path, "--mutation=release before return", seconds=2)


def test_skipping_the_compare_and_set_of_slots_is_caught(tmp_path: Path) -> None:
    broken = rules_broken_by(tmp_path, "--mutation=no compare and set", seconds=4)
    assert broken >= {"not started again", "at most once"}
