"""Many processes on one PostgreSQL: no slot is run twice, none overlaps, none is lost, whoever is killed meanwhile.

`TASKER_CLUSTER=full` makes it sixteen processes with fifty schedules for a minute.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass

import psycopg
import pytest

from tests._support.cluster import PROGRAMS, Cluster
from tests._support.cluster_journal import make_journal, someone_at_work
from tests._support.cluster_judge import verdict
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures


@dataclass(frozen=True, kw_only=True)
class Size:
    instances: int
    schedules: int
    seconds: float
    kills: int
    most: int
    lease: float
    call_limit: float


SMALL = Size(instances=6, schedules=20, seconds=10, kills=2, most=5, lease=2, call_limit=0.6)
FULL = Size(instances=16, schedules=50, seconds=60, kills=3, most=8, lease=3, call_limit=1)
SIZE = FULL if os.environ.get("TASKER_CLUSTER") == "full" else SMALL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SIZE.seconds + 120)]


@pytest.mark.parametrize("pooled", [False, True], ids=["url", "pool of two"])
def test_no_slot_is_run_twice_or_lost_and_none_overlaps_while_instances_are_killed(
    postgres_url: str,  # noqa: F811
    pooled: bool,
) -> None:
    arguments = [postgres_url, make_journal(postgres_url), *options(SIZE), *(["--pooled"] if pooled else [])]
    with Cluster(PROGRAMS / "cluster_instance.py", *arguments) as cluster:
        for instance in cluster.start(SIZE.instances):
            instance.wait_for("ready")
        peaks: Counter[str] = Counter()
        begun = time.monotonic()
        for number in range(SIZE.kills):
            # The last one early enough for its slot to be run again.
            watch(postgres_url, begun + 1 + SIZE.seconds * number / (SIZE.kills + 1), peaks)
            cluster.kill(cluster.with_pid(someone_at_work(postgres_url).pid))
            watch(postgres_url, time.monotonic() + SIZE.lease / 2, peaks)
            cluster.start()
        watch(postgres_url, begun + SIZE.seconds, peaks)
        cluster.stop(within=5)

    judged = verdict(postgres_url, postgres_url, lease=SIZE.lease, killed=cluster.killed)
    print(f"\n{judged.figures}; {transactions(postgres_url)} transactions, those of the jobs included")
    assert (judged.problems, cluster.complaints()) == ([], [])
    assert judged.schedules == SIZE.schedules
    # One at least: a slow machine may kill an instance when its work is just done.
    assert judged.lost_leases >= 1
    # One to renew leases, and one for all the rest: the pool itself may open its second one while it starts.
    assert max(count for name, count in peaks.items() if name.startswith("instance")) <= 2 + pooled


def options(size: Size) -> list[str]:
    return [
        f"--schedules={size.schedules}",
        f"--most={size.most}",
        f"--lease={size.lease}",
        f"--call-limit={size.call_limit}",
    ]


def watch(url: str, end: float, peaks: Counter[str]) -> None:
    """Until then, note how many connections each instance has at most."""
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < end:
            for name, count in connection.execute(
                "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() GROUP BY application_name"
            ):
                peaks[name] = max(peaks[name], count)
            time.sleep(0.2)


def transactions(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
