"""Several processes share a file: no slot is run twice, and none is lost when one of them is killed."""

from __future__ import annotations

import sqlite3
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


FORMAT_1 = Path(__file__).parent / "format_1" / "sqlite"

START_AT_A_SIGNAL = """
import sys
from tasker.ports import Definition
from tasker.store.sqlite import Store

store = Store(sys.argv[1], call_limit=30)
print("ready", flush=True)
sys.stdin.readline()
print(len(store.register([Definition(f"job {number}", "every second") for number in range(20)]).states), flush=True)
store.beat(sys.argv[2], "worker", "2")
store.close()
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


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True], ids=["no file", "a file of format 1"])
def test_ten_processes_that_start_at_once_make_or_update_the_tables_once(tmp_path: Path, is_old: bool) -> None:
    path = tmp_path / "tasker.db"
    if is_old:
        with closing(sqlite3.connect(path)) as database:
            database.executescript((FORMAT_1 / "tables.sql").read_text())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_AT_A_SIGNAL, str(path), f"owner {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(10)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert (process.returncode, output, errors) == (0, "20\n", "")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    with closing(Store(path)) as store:
        assert len(store.states()) == 20
        assert len(store.instances()) == 10
