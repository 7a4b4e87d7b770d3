"""Instances whose own clocks are wrong: the store's clock decides, so every slot is run once, and none early."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests._support.cluster import PROGRAMS, Cluster
from tests._support.cluster_journal import make_journal
from tests._support.cluster_judge import verdict
from tests._support.faketime import find_faketime, wrong_by
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests._support.services import require_or_skip

LEASE = 3.0


def shifted(offset: str) -> dict[str, str]:
    """Return the environment of a process whose wall clock is wrong by so much."""
    library = find_faketime()
    require_or_skip(library, "libfaketime; install the package faketime")
    assert library is not None
    return wrong_by(library, offset)


@pytest.mark.slow
def test_an_hour_ahead_and_an_hour_behind_run_every_slot_once_and_none_early(postgres_url: str) -> None:  # noqa: F811
    ahead, behind = shifted("+1h"), shifted("-1h")
    journal = make_journal(postgres_url)
    arguments = [postgres_url, journal, "--schedules=8", "--most=4", f"--lease={LEASE}", "--call-limit=1"]
    with Cluster(PROGRAMS / "cluster_instance.py", *arguments) as cluster:
        for instance in [*cluster.start(1), *cluster.start(1, **ahead), *cluster.start(1, **behind)]:
            instance.wait_for("ready")
        time.sleep(8)
        cluster.stop(within=5)

    judged = verdict(postgres_url, postgres_url, lease=LEASE, killed=set())
    assert (judged.problems, cluster.complaints()) == ([], [])
    with psycopg.connect(postgres_url) as connection:
        ((runs, owners, early),) = connection.execute(
            "SELECT count(*), count(DISTINCT owner), count(*) FILTER (WHERE started < slot) FROM tasker_run"
            " WHERE outcome = 'succeeded'"
        ).fetchall()
    assert runs > 8
    assert (owners, early) == (3, 0)
