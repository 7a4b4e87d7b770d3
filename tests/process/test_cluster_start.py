from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tasker.store import open_store
from tests._support.cluster import PROGRAMS, Cluster
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_ten_instances_start_at_once_where_no_table_is_yet(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path}/tasker.db"
    with Cluster(PROGRAMS / "cluster_start.py", url) as cluster:
        for instance in cluster.start(10):
            instance.wait_for("ready")
        for instance in cluster.running:
            instance.say("go")
        for instance in cluster.running:
            instance.wait_for("up")
        cluster.stop(within=1)
    assert cluster.complaints() == []
    with closing(open_store(url)) as store:
        assert [state.runs for state in store.states()] == [1] * 10
