from __future__ import annotations

import gc

import pytest

from tasker.ports import Outcome, Reason, RunRecord
from tasker.store._packed import packed, unpacked

RUN = RunRecord(
    id="job",
    at=7,
    slot=5,
    outcome=Outcome.FAILED,
    manual=True,
    attempt=2,
    started=6,
    owner="somebody",
    token=9,
    error="ValueError",
    retries=3,
)
RANGE = RunRecord(id="job", at=7, slot=1, until=5, count=None, outcome=Outcome.SKIPPED, reason=Reason.PAUSED)


@pytest.mark.parametrize("record", [RUN, RANGE], ids=["run", "range"])
def test_a_record_comes_back_as_it_was(record: RunRecord) -> None:
    found = unpacked(packed(record))

    assert found == record
    assert isinstance(found.outcome, Outcome)
    assert found.reason is record.reason


def test_it_begins_with_when_it_was_recorded() -> None:
    assert packed(RUN)[0] == RUN.at


def test_the_garbage_collector_forgets_it() -> None:
    kept = [packed(RUN), packed(RANGE)]
    gc.collect()

    assert not any(map(gc.is_tracked, kept))
