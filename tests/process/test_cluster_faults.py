"""Instances whose PostgreSQL goes away and comes back: nothing crashes, nothing is lost, and each says so once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests._support.cluster import IS_BACK, PROGRAMS, Cluster, news, until
from tests._support.cluster_journal import make_journal, works_in
from tests._support.cluster_judge import verdict
from tests._support.postgres import PostgresServer, own_postgres  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
LEASE = 15


def cluster_on(server: PostgresServer, journal: str) -> Cluster:
    arguments = ["--schedules=6", "--most=3", f"--lease={LEASE}", "--call-limit=1"]
    return Cluster(PROGRAMS / "cluster_instance.py", server.url(), journal, *arguments)


def works_on(journal: str) -> None:
    """Wait until some work was done after now."""
    before = len(works_in(journal))
    until(lambda: len(works_in(journal)) > before + 10, "the runs go on")


def check(server: PostgresServer, journal: str, cluster: Cluster) -> None:
    judged = verdict(server.url(), journal, lease=LEASE, killed=set())
    others = [line for line in cluster.complaints() if "the store of instance" not in line]
    assert (judged.problems, others) == ([], [])
    assert judged.schedules == 6


def test_each_instance_says_once_that_the_server_crashed_and_once_that_it_is_back(
    own_postgres: PostgresServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    journal = make_journal(f"{tmp_path}/journal.db")
    with cluster_on(own_postgres, journal) as cluster:
        cluster.start(3)
        works_on(journal)
        own_postgres.crash()
        for instance in cluster.running:
            instance.wait_for("is away")
        time.sleep(1)  # for more attempts, which are no news
        own_postgres.start()
        for instance in cluster.running:
            instance.wait_for(IS_BACK)
        works_on(journal)
        assert [news(instance) for instance in cluster.running] == [(1, 1)] * 3
        cluster.stop(within=5)
    check(own_postgres, journal, cluster)


def test_runs_go_on_after_restarts_in_the_middle_of_everything(
    own_postgres: PostgresServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    journal = make_journal(f"{tmp_path}/journal.db")
    with cluster_on(own_postgres, journal) as cluster:
        cluster.start(3)
        for end in (PostgresServer.stop, PostgresServer.crash, PostgresServer.kill):
            works_on(journal)
            end(own_postgres)
            own_postgres.start()
        works_on(journal)
        until(lambda: all(away == back <= 3 for away, back in map(news, cluster.running)), "all say that it is back")
        cluster.stop(within=5)
    check(own_postgres, journal, cluster)


def test_instances_that_start_before_their_server_say_so_in_one_line_and_then_begin(
    own_postgres: PostgresServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    journal = make_journal(f"{tmp_path}/journal.db")
    own_postgres.stop()
    with cluster_on(own_postgres, journal) as cluster:
        for instance in cluster.start(3):
            instance.wait_for("is away", "\n")
        time.sleep(1)  # for more attempts, which are no news
        for instance in cluster.running:
            (line,) = instance.err.splitlines()
            assert line.startswith(f"WARNING tasker: the store of instance {instance.pid} is away")
            assert "Connection refused" in line
        own_postgres.start()
        for instance in cluster.running:
            instance.wait_for(IS_BACK)
        works_on(journal)
        assert [news(instance) for instance in cluster.running] == [(1, 1)] * 3
        cluster.stop(within=5)
    check(own_postgres, journal, cluster)
