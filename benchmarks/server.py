"""A throwaway PostgreSQL server that writes through to the disk and counts its statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests._support.postgres import PostgresServer

SETTINGS = {"shared_buffers": "256MB", "max_connections": 300, "shared_preload_libraries": "pg_stat_statements"}


def postgresql() -> PostgresServer:
    """Start a server; use it as a context manager. Without the module that counts statements it does not start."""
    from tests._support.postgres import PostgresServer  # noqa: PLC0415 - the environment of the peers has no pytest

    server = PostgresServer(durable=True, settings=SETTINGS)
    server.execute("CREATE EXTENSION pg_stat_statements", "template1")  # each new database has it then
    return server


def statements_of(url: str) -> float:
    """Return how many statements a database has executed, those of this function left out."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND s.query NOT LIKE '%pg_stat_statements%'"
        ).fetchone()
        assert row is not None
        return float(row[0])
