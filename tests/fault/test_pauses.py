"""An instance that stands still for less than its lease, beside another of the same name: nothing happens."""

from __future__ import annotations

import signal
import time

import pytest

from tests._support.stage import Stage

pytestmark = pytest.mark.slow
LEASE = 9
PAUSE = 2.0


def test_a_pause_that_is_shorter_than_the_lease_costs_nothing(stage: Stage) -> None:
    options = ("--name", "twin", "--lease", str(LEASE), "--first", str(PAUSE + 1))
    holder = stage.start(*options)
    run = stage.seen("wrote", of=holder)
    other = stage.start(*options, "--first", "0.1")
    stage.seen("ready", of=other)

    holder.signal(signal.SIGSTOP)
    time.sleep(PAUSE)
    holder.signal(signal.SIGCONT)
    assert stage.seen("done").token == run.token

    stage.stop(other)
    stage.stop(holder)
    assert stage.attempts(run.slot) == ["succeeded"]
    assert "LeaseLost" not in {note.detail for note in stage.notes("left")}
    assert stage.problems() == []
