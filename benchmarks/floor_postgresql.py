"""The floor on PostgreSQL: a raw loop that moves due rows on, a hundred with one prepared statement."""

from __future__ import annotations

import psycopg

from benchmarks.postgresql_statements import FLOOR, FLOOR_BATCH, FLOOR_TABLE
from benchmarks.rounds import Figures
from benchmarks.turns import rate


def raw(url: str, rows: int, seconds: float) -> Figures:
    """Return how many rows a second it moves on."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        connection.execute(FLOOR_TABLE.format(rows=rows).encode(), prepare=False)
        return {
            "runs/s": rate(lambda: len(connection.execute(FLOOR).fetchall()), seconds),
            "statements": 1 / FLOOR_BATCH,
        }
