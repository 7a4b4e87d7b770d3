"""The alerts of the documentation find what is overdue, and nothing else, also when no instance lives."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasker.ports import Action, Definition, Proposal, Store
from tasker.store import mysql, postgresql
from tests._support.mariadb_server import MariadbServer, mariadb_server, run
from tests._support.postgres import postgres_server, postgres_url

__all__ = ["mariadb_server", "postgres_server", "postgres_url"]

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
HOUR = 3600 * 1_000_000


def alert_of(page: str) -> str:
    """Return the one query of a page that looks for what is overdue."""
    blocks = re.findall(r"```sql\n(.*?)```", (HOW_TO / page).read_text(encoding="utf-8"), re.DOTALL)
    (alert,) = [block for block in blocks if "next_slot <" in block]
    return str(alert)


def fill(store: Store) -> None:
    """Register schedules in each state; the slots of all but one are an hour ago."""
    now = store.poll(0).now
    for id in ("dead", "free", "paused", "runs"):
        store.register([Definition(id, "hourly", now - HOUR)])
    store.register([Definition("later", "hourly", now + HOUR)])
    for id, ttl in (("dead", 1), ("runs", HOUR)):
        (state,) = store.states([id])
        assert store.claim("A", ttl, 1, [Proposal(id, state.decided + 1)]).grants
    store.control(Action.PAUSE, ["paused"])


def overdue(rows: list[tuple[Any, ...]]) -> set[str]:
    return {value for row in rows for value in row if value in {"dead", "free", "paused", "runs", "later"}}


@pytest.mark.parametrize("page", ["operate.md", "postgresql.md"])
def test_on_postgresql(postgres_url: str, page: str) -> None:
    with closing(postgresql.Store(postgres_url)) as store:
        fill(store)
    with psycopg.connect(postgres_url) as connection:
        query: Callable[..., Any] = connection.execute
        rows = query(alert_of(page)).fetchall()

    assert overdue(rows) == {"dead", "free"}


def test_on_mariadb(mariadb_server: MariadbServer) -> None:
    with mariadb_server.database() as name, closing(mysql.Store(mariadb_server.url(name))) as store:
        fill(store)
        with closing(mariadb_server.connect(name)) as connection:
            rows = run(connection, alert_of("mysql.md").rstrip().rstrip(";"))

    assert overdue(list(rows)) == {"dead", "free"}
