"""Many processes on one store: no slot is run twice, none overlaps, none is lost, whoever is killed meanwhile.

`make scale` runs the same with sixteen processes and fifty schedules, for a minute on each store.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tasker.store import open_store
from tests._support.cluster import PROGRAMS, Cluster
from tests._support.cluster_journal import make_journal, someone_at_work
from tests._support.cluster_judge import Verdict, verdict


@dataclass(frozen=True, kw_only=True)
class Size:
    instances: int
    schedules: int
    seconds: float
    kills: int
    most: int
    lease: float
    call_limit: float


TINY = Size(instances=4, schedules=10, seconds=6, kills=1, most=4, lease=2, call_limit=0.6)
SMALL = Size(instances=6, schedules=20, seconds=10, kills=2, most=5, lease=2, call_limit=0.6)
FULL = Size(instances=16, schedules=50, seconds=60, kills=3, most=8, lease=3, call_limit=1)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SMALL.seconds + 120)]


def of_size(usual: Size) -> pytest.MarkDecorator:
    """Run a test with so large a cluster, and where the machine is left alone with a full one."""
    marks = [pytest.mark.alone, pytest.mark.timeout(FULL.seconds + 120)]
    return pytest.mark.parametrize("size", [pytest.param(usual, id="few"), pytest.param(FULL, id="full", marks=marks)])


class Watch:
    """What is looked at while the cluster works."""

    def until(self, end: float) -> None:
        """Look until then, on the monotonic clock."""
        time.sleep(max(0.0, end - time.monotonic()))


@of_size(TINY)
@pytest.mark.parametrize("store_url", ["mariadb", "redis", "sqlite"], indirect=True)
def test_no_slot_is_run_twice_or_lost_and_none_overlaps_while_instances_are_killed(
    store_url: str, tmp_path: Path, size: Size
) -> None:
    journal = make_journal(f"{tmp_path}/journal.db")
    print(f"\n{judged(store_url, journal, size, Watch()).figures}")


@of_size(SMALL)
@pytest.mark.parametrize("pooled", [False, True], ids=["url", "pool of two"])
def test_on_postgresql_the_same_holds_and_an_instance_has_two_connections(
    postgres_url: str, pooled: bool, size: Size
) -> None:
    watch = Connections(postgres_url)
    make_journal(postgres_url)
    found = judged(postgres_url, postgres_url, size, watch, *(["--pooled"] if pooled else []))
    print(f"\n{found.figures}; {transactions(postgres_url)} transactions, those of the jobs included")
    # One to renew leases, and one for all the rest: the pool itself may open its second one while it starts.
    assert max(count for name, count in watch.peaks.items() if name.startswith("instance")) <= 2 + pooled


def judged(url: str, journal: str, size: Size, watch: Watch, *more: str) -> Verdict:
    """Let a cluster work while instances are killed, and check what became of its slots."""
    arguments = [
        f"--schedules={size.schedules}",
        f"--most={size.most}",
        f"--lease={size.lease}",
        f"--call-limit={size.call_limit}",
        *more,
    ]
    with closing(open_store(url)) as store:
        store.states()  # which makes the tables; that takes a busy server longer than these instances give it
    with Cluster(PROGRAMS / "cluster_instance.py", url, journal, *arguments) as cluster:
        for instance in cluster.start(size.instances):
            instance.wait_for("ready")
        begun = time.monotonic()
        for number in range(size.kills):
            # The last one early enough for its slot to be run again.
            watch.until(begun + 1 + size.seconds * number / (size.kills + 1))
            cluster.kill(cluster.with_pid(someone_at_work(journal).pid))
            watch.until(time.monotonic() + size.lease / 2)
            cluster.start()
        watch.until(begun + size.seconds)
        cluster.stop(within=5)
    found = verdict(url, journal, lease=size.lease, killed=cluster.killed)
    assert (found.problems, cluster.complaints()) == ([], [])
    assert found.schedules == size.schedules
    # One at least: a slow machine may kill an instance when its work is just done.
    assert found.lost_leases >= 1
    return found


class Connections(Watch):
    """How many connections each instance has at most."""

    def __init__(self, url: str) -> None:
        self.peaks: Counter[str] = Counter()
        self._url = url

    def until(self, end: float) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while time.monotonic() < end:
                for name, count in connection.execute(
                    "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() GROUP BY application_name"
                ):
                    self.peaks[name] = max(self.peaks[name], count)
                time.sleep(0.2)


def transactions(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
