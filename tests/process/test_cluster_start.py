from __future__ import annotations

from contextlib import closing

import pytest

from tasker.store import open_store
from tests._support.cluster import PROGRAMS, Cluster

pytestmark = pytest.mark.slow


def test_ten_instances_start_at_once_where_nothing_is_yet(store_url: str) -> None:
    with Cluster(PROGRAMS / "cluster_start.py", store_url) as cluster:
        for instance in cluster.start(10):
            instance.wait_for("ready")
        for instance in cluster.running:
            instance.say("go")
        for instance in cluster.running:
            instance.wait_for("up")
        cluster.stop(within=1)
    assert cluster.complaints() == []
    with closing(open_store(store_url)) as store:
        assert [state.runs for state in store.states()] == [1] * 10
