"""How fast the PostgreSQL store's statements are, beside the least that any program could do.

The floor is a raw loop of the driver that takes due rows and moves them on with one prepared statement, in batches of
100, with an index on the due time and nothing else: no leases, no history, no tokens. Ours claims a batch, ends every
run, and writes a record of history for each, in two statements.

Both run in turns on one connection of one throwaway server that writes through to the disk as a real one does, so their
ratio means something on a slow machine too. Run it from the root of the project:

    python -m benchmarks.postgresql_statements [--seconds 3] [--rows 10000] [--fast]
"""

# ruff: noqa: S608 - tables and batches of its own

from __future__ import annotations

import argparse
import statistics
import time

import psycopg

from benchmarks.turns import Turns, rate
from tasker.ports import Definition
from tasker.store.postgresql import Store
from tests._support.postgres import PostgresServer

FLOOR_BATCH = 100
BATCHES = (100, 256)
ROUNDS = 3

FLOOR_TABLE = """CREATE TABLE floor (id bigint PRIMARY KEY, due timestamptz NOT NULL);
INSERT INTO floor SELECT n, now() - interval '1 day' FROM generate_series(1, {rows}) n;
CREATE INDEX ON floor (due);
ANALYZE floor"""

FLOOR = f"""UPDATE floor SET due = due + interval '1 second' WHERE id IN (
  SELECT id FROM floor WHERE due <= now() ORDER BY due LIMIT {FLOOR_BATCH} FOR UPDATE SKIP LOCKED)
RETURNING id, due"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="measure the statements of the PostgreSQL store")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rows", type=int, default=10_000, help="in each table")
    parser.add_argument("--fast", action="store_true", help="with a server that does not write through")
    arguments = parser.parse_args()
    with PostgresServer(durable=not arguments.fast, settings={"shared_buffers": "256MB"}) as server:
        measure(server, arguments.rows, arguments.seconds)


def measure(server: PostgresServer, rows: int, seconds: float) -> None:
    """Measure the floor and each batch size in turns, and print medians."""
    server.execute(FLOOR_TABLE.format(rows=rows))
    store = Store(server.url(), call_limit=30)
    ids = [f"schedule {number}" for number in range(rows)]
    store.register([Definition(id, "every 1 second") for id in ids])
    server.execute("ANALYZE tasker_schedule")
    raw = psycopg.connect(server.url(), autocommit=True, prepare_threshold=0)
    turns = {batch: Turns(store, ids, batch) for batch in BATCHES}
    floors: list[float] = []
    ours: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(ROUNDS):
        floors.append(rate(lambda: len(raw.execute(FLOOR).fetchall()), seconds))
        for batch, turn in turns.items():
            ours[batch].append(rate(turn, seconds))
    raw.close()
    floor = statistics.median(floors)
    print(f"floor: {floor:,.0f} rows/s in batches of {FLOOR_BATCH}, one statement each")
    for batch in BATCHES:
        speed = statistics.median(ours[batch])
        print(
            f"ours:  {speed:,.0f} runs/s in batches of {batch}, with history: {speed / floor:.3f} of the floor, "
            f"{2 / batch:.3f} statements a run, {turns[batch].claiming:.2f} ms a claim, "
            f"{turns[batch].ending:.2f} ms a finish"
        )
    print_counters(server)
    store.close()


def print_counters(server: PostgresServer) -> None:
    """Print what the server has counted about our rows."""
    time.sleep(1)  # it counts with a delay
    ((updates, hot),) = server.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasker_schedule'"
    )
    ((heap, count),) = server.execute("SELECT pg_relation_size('tasker_schedule'), count(*) FROM tasker_schedule")
    ((runs, records),) = server.execute("SELECT pg_total_relation_size('tasker_run'), count(*) FROM tasker_run")
    print(f"heap-only updates: {hot / updates:.4f} of {updates:,}")
    print(f"bytes: {heap / count:.0f} a schedule in the heap, {runs / records:.0f} a record of history with its index")


if __name__ == "__main__":
    main()
