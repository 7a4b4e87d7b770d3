"""How fast the MySQL store's packets are on MariaDB, beside the least that any program could do.

The floor is a raw loop of the driver that picks due rows, locks them, and moves them on, in batches of 100, with an
index on the due time and nothing else: no leases, no history, no tokens. Ours claims a batch, ends every run, and
writes a record of history for each, in two packets.

Both run in turns on one connection of one throwaway server that writes through to the disk as a real one does, so their
ratio means something on a slow machine too. Run it from the root of the project:

    python -m benchmarks.mysql_statements [--seconds 3] [--rows 10000] [--fast]
"""

# ruff: noqa: S608 - tables and batches of its own

from __future__ import annotations

import argparse
import statistics

from pymysql.connections import Connection
from pymysql.constants import CLIENT

from benchmarks.turns import Turns, rate
from tasker.ports import Definition
from tasker.store.mysql import Store
from tests._support.mariadb_server import MariadbServer, run

FLOOR_BATCH = 100
BATCHES = (100, 256)
ROUNDS = 3

FLOOR_TABLE = (
    "CREATE TABLE floor (id BIGINT PRIMARY KEY, due DATETIME(6) NOT NULL, KEY (due))",
    "INSERT INTO floor SELECT seq, NOW(6) - INTERVAL 1 DAY FROM seq_1_to_{rows}",
)

PICK = f"""START TRANSACTION;
SELECT id FROM floor WHERE due <= NOW(6) ORDER BY due LIMIT {FLOOR_BATCH} FOR UPDATE SKIP LOCKED"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="measure the packets of the MySQL store")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rows", type=int, default=10_000, help="in each table")
    parser.add_argument("--fast", action="store_true", help="with a server that does not write through")
    arguments = parser.parse_args()
    with MariadbServer(durable=not arguments.fast) as server:
        server.execute("CREATE DATABASE t")
        measure(server, arguments.rows, arguments.seconds)


def measure(server: MariadbServer, rows: int, seconds: float) -> None:
    """Measure the floor and each batch size in turns, and print medians."""
    server.execute(*(statement.format(rows=rows) for statement in FLOOR_TABLE), database="t")
    store = Store(server.url("t"), call_limit=30)
    ids = [f"schedule {number}" for number in range(rows)]
    store.register([Definition(id, "every 1 second") for id in ids])
    raw = server.connect("t", client_flag=CLIENT.MULTI_STATEMENTS)
    turns = {batch: Turns(store, ids, batch) for batch in BATCHES}
    floors: list[float] = []
    ours: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(ROUNDS):
        floors.append(rate(lambda: move_on(raw), seconds))
        for batch, turn in turns.items():
            ours[batch].append(rate(turn, seconds))
    raw.close()
    floor = statistics.median(floors)
    print(f"floor: {floor:,.0f} rows/s in batches of {FLOOR_BATCH}, two packets each")
    for batch in BATCHES:
        speed = statistics.median(ours[batch])
        print(
            f"ours:  {speed:,.0f} runs/s in batches of {batch}, with history: {speed / floor:.3f} of the floor, "
            f"{2 / batch:.3f} packets a run, {turns[batch].claiming:.2f} ms a claim, "
            f"{turns[batch].ending:.2f} ms a finish"
        )
    print_sizes(server)
    store.close()


def move_on(connection: Connection) -> int:
    """Move a batch of the floor on, and return how many rows that were."""
    with connection.cursor() as cursor:
        cursor.execute(PICK)
        cursor.nextset()
        ids = ", ".join(str(id) for (id,) in cursor.fetchall())
        cursor.execute(f"UPDATE floor SET due = due + INTERVAL 1 SECOND WHERE id IN ({ids}); COMMIT")
        return int(cursor.rowcount)


def print_sizes(server: MariadbServer) -> None:
    """Print what our rows cost."""
    with server.connect("t") as connection:
        for table, what in (("tasker_schedule", "a schedule"), ("tasker_run", "a record of history")):
            run(connection, f"ANALYZE TABLE {table}")
            ((size,),) = run(
                connection,
                "SELECT data_length + index_length FROM information_schema.tables "
                f"WHERE table_schema = 't' AND table_name = '{table}'",
            )
            ((count,),) = run(connection, f"SELECT COUNT(*) FROM {table}")
            print(f"bytes: {size / count:.0f} {what}, with its indexes")


if __name__ == "__main__":
    main()
