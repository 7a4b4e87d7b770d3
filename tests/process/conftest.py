from __future__ import annotations

from pathlib import Path

import pytest

from tests._support.mariadb_server import mariadb_server, mariadb_url
from tests._support.postgres import postgres_server, postgres_url
from tests._support.redis_server import redis_server, redis_url

__all__ = ["mariadb_server", "mariadb_url", "postgres_server", "postgres_url", "redis_server", "redis_url"]


@pytest.fixture(params=["postgresql", "mariadb", "redis", "sqlite"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store that several processes may share; the test is run once for each kind of store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tasker.db"
    fixture = "postgres_url" if request.param == "postgresql" else f"{request.param}_url"
    url: str = request.getfixturevalue(fixture)
    return url
