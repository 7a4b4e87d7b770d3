from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests._support.postgres import PostgresServer, own_postgres, postgres_server, postgres_url  # noqa: F401 - fixtures
from tests._support.processes import Program

REPORT = 1.0
PROGRAMS = Path(__file__).parent / "programs"
STOPPED_WHILE = PROGRAMS / "stopped_while.py"


def waiting_for(what: str, grace: float = 30, *store: str) -> Program:
    return Program(STOPPED_WHILE, what, str(grace), *store)


def test_a_signal_during_the_wait_before_another_run_ends_it_cleanly() -> None:
    with waiting_for("back-off") as program:
        program.wait_for("ready", "is run again in").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["ready", "returned"]


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_a_signal_while_a_lock_is_waited_for_ends_it_cleanly(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    where = {"memory": [], "sqlite": [str(tmp_path / "tasker.db")]}
    if kind == "postgresql":
        where[kind] = [request.getfixturevalue("postgres_url")]
    with waiting_for("lock", 30, kind, *where[kind]) as program:
        program.wait_for("holds", "ready").signal(signal.SIGTERM)
        program.ends_with(0, within=1)
    assert program.out.splitlines()[-1] == "returned"
    assert "not reached" not in program.out


@pytest.mark.slow
def test_a_lock_that_cannot_be_freed_is_given_up_in_time_to_end_cleanly(own_postgres: PostgresServer) -> None:  # noqa: F811
    with waiting_for("end of a lock", 30, "postgresql", own_postgres.url()) as program:
        program.wait_for("holds")
        own_postgres.freeze()
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=10)
    assert "the lock 'key' was not freed" in program.err


@pytest.mark.slow
def test_a_signal_while_a_server_that_froze_is_asked_for_a_lock_ends_it_cleanly(own_postgres: PostgresServer) -> None:  # noqa: F811
    with waiting_for("lock", 30, "postgresql", own_postgres.url()) as program:
        program.wait_for("holds", "ready")
        own_postgres.freeze()
        time.sleep(0.5)  # it asks several times a second, so by now in vain
        program.signal(signal.SIGTERM)
        program.ends_with(0, within=10)
    assert "not reached" not in program.out


@pytest.mark.slow
def test_a_store_that_does_not_answer_does_not_hold_the_process_longer_than_the_budget(
    own_postgres: PostgresServer,  # noqa: F811
) -> None:
    with waiting_for("lock", 1, "postgresql", own_postgres.url()) as program:
        program.wait_for("holds", "ready")
        own_postgres.freeze()
        program.signal(signal.SIGTERM)
        program.ends_with(1, within=1 + REPORT)
    assert "'holds' is still running 1." in program.err


def test_another_signal_during_a_stop_ends_the_process_at_once() -> None:
    with waiting_for("stop") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stop begins")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)
    assert "stopped" not in program.out


def test_a_flood_of_signals_ends_the_process_like_two() -> None:
    with waiting_for("stop") as program:
        program.wait_for("ready")
        while program.is_running:
            program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)


def test_a_signal_is_the_end_of_a_sequence_whose_step_stops_well() -> None:
    with waiting_for("stop") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stop begins").say("go")
        program.ends_with(0, within=1)
    assert program.out.splitlines() == ["ready", "stop begins", "stopped", "returned"]


@pytest.mark.parametrize("what", ["loop", "lock"])
def test_ctrl_c_in_the_very_moment_before_the_main_thread_waits_is_not_lost(what: str) -> None:
    with Program(PROGRAMS / "just_before_waiting.py", what) as program:
        program.ends_with(-signal.SIGINT, within=2)
    assert "left" in program.out
