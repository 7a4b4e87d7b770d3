"""Several processes on one file: no slot is run twice, none overlaps, none is lost although one of them is killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests._support.cluster import PROGRAMS, Cluster
from tests._support.cluster_journal import make_journal, someone_at_work
from tests._support.cluster_judge import verdict

pytestmark = pytest.mark.slow
SECONDS = 8
LEASE = 2


def test_no_slot_is_run_twice_or_lost_and_none_overlaps_while_one_instance_is_killed(tmp_path: Path) -> None:
    url, journal = f"sqlite:///{tmp_path}/tasker.db", make_journal(f"{tmp_path}/journal.db")
    arguments = [url, journal, "--schedules=10", "--most=4", f"--lease={LEASE}", "--call-limit=0.6"]
    with Cluster(PROGRAMS / "cluster_instance.py", *arguments) as cluster:
        for instance in cluster.start(4):
            instance.wait_for("ready")
        begun = time.monotonic()
        time.sleep(1)
        cluster.kill(cluster.with_pid(someone_at_work(journal).pid))
        time.sleep(LEASE / 2)
        cluster.start()
        time.sleep(max(0.0, begun + SECONDS - time.monotonic()))
        cluster.stop(within=5)
    judged = verdict(url, journal, lease=LEASE, killed=cluster.killed)
    print(f"\n{judged.figures}")
    assert (judged.problems, cluster.complaints()) == ([], [])
    assert judged.schedules == 10
    assert judged.lost_leases >= 1
