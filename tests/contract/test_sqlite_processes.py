"""Several processes share a file: no slot is run twice, and none is lost when one of them is killed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tasker.ports import Definition, Outcome
from tasker.store.sqlite import Store

PROGRAM = """
import sys, uuid
from tasker.ports import Ending, Held, Outcome, Proposal
from tasker.store.sqlite import Store

path, last, dies = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "dies"
store, owner = Store(path, call_limit=30), str(uuid.uuid4())
while proposals := [Proposal(s.id, s.decided + 1) for s in store.states() if s.decided < last]:
    grants = store.claim(owner, 300_000, 3, proposals).grants
    if dies and grants:
        print("holds", flush=True)
        sys.stdin.read()
    store.renew(owner, 300_000, [Held(g.id, g.token) for g in grants], 30)
    endings = [Ending(id=g.id, token=g.token, outcome=Outcome.SUCCEEDED, through=g.slot) for g in grants]
    for id, answer in store.finish(owner, endings).answers.items():
        print(id, next(g.slot for g in grants if g.id == id), answer, flush=True)
"""


def start(path: Path, last: int, how: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, str(path), str(last), how]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_each_slot_succeeds_once_in_all_even_if_a_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "tasker.db"
    ids = [f"job {number}" for number in range(8)]
    with closing(Store(path)) as store:
        first = store.register([Definition(id, "every microsecond") for id in ids]).states[0].decided
        last = first + 15
        victim = start(path, last, "dies")
        assert victim.stdout is not None
        assert victim.stdout.readline() == "holds\n"
        workers = [start(path, last, "lives") for _ in range(4)]
        victim.kill()
        victim.communicate()
        said = [worker.communicate(timeout=60)[0].splitlines() for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * 4
        expected = {f"{id} {slot} recorded" for id in ids for slot in range(first + 1, last + 1)}
        assert Counter(line for lines in said for line in lines) == Counter(expected)
        outcomes = Counter(record.outcome for id in ids for record in store.history(id, 100))
        assert outcomes[Outcome.SUCCEEDED] == len(expected)
        assert 1 <= outcomes[Outcome.LEASE_LOST] <= 3
