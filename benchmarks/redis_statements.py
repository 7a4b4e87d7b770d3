"""How fast the Redis store's scripts are, beside the least that any program could do.

The floor is a pipeline of the driver that for each run moves a due row on and writes a record of it to a capped list:
three plain commands a run, in batches of 100, without leases, tokens or decisions. Ours claims a batch, ends every run,
and writes a record of history for each, in two scripts.

Both run in turns on one connection to one throwaway server, so their ratio means something on a slow machine too.
Run it from the root of the project:

    python -m benchmarks.redis_statements [--seconds 3] [--rows 10000] [--valkey]
"""

from __future__ import annotations

import argparse
import statistics
import time

import redis

from benchmarks.turns import Turns, rate
from tasker.ports import Definition
from tasker.store.redis import Store
from tests._support.redis_server import RedisServer, find_redis, find_valkey

FLOOR_BATCH = 100
BATCHES = (100, 256, 500)
ROUNDS = 3
KEPT = 100
RECORD = "x" * 150


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="measure the scripts of the Redis store")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rows", type=int, default=10_000, help="how many schedules")
    parser.add_argument("--valkey", action="store_true", help="on a Valkey server")
    arguments = parser.parse_args()
    with RedisServer(find_valkey() if arguments.valkey else find_redis()) as server:
        server.settle()
        measure(server, arguments.rows, arguments.seconds)


def measure(server: RedisServer, rows: int, seconds: float) -> None:
    """Measure the floor and each batch size in turns, and print medians."""
    client = server.client()
    before = memory_of(client)
    store = Store(server.url(), call_limit=30)
    ids = [f"schedule {number}" for number in range(rows)]
    store.register([Definition(id, "every 1 second") for id in ids])
    print(f"bytes: {(memory_of(client) - before) / rows:.0f} a schedule that has never run")
    turns = {batch: Turns(store, ids, batch) for batch in BATCHES}
    floor = Floor(client, rows)
    floors: list[float] = []
    ours: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(ROUNDS):
        floors.append(rate(floor, seconds))
        for batch, turn in turns.items():
            ours[batch].append(rate(turn, seconds))
            store.trim(ids, KEPT, 0)
    lowest = statistics.median(floors)
    print(f"floor: {lowest:,.0f} runs/s in batches of {FLOOR_BATCH}, a pipeline of three commands each")
    for batch in BATCHES:
        speed = statistics.median(ours[batch])
        print(
            f"ours:  {speed:,.0f} runs/s in batches of {batch}, with history: {speed / lowest:.2f} of the floor, "
            f"{2 / batch:.3f} scripts a run, {turns[batch].claiming:.2f} ms a claim, "
            f"{turns[batch].ending:.2f} ms a finish"
        )
    print_server_time(client)
    store.close()
    client.close()


class Floor:
    """Moves rows on and notes it, with plain commands, at each call."""

    def __init__(self, client: redis.Redis, rows: int) -> None:
        """Begin with the first row."""
        self._client = client
        self._rows = rows
        self._begin = 0

    def __call__(self) -> int:
        """Return how many runs that were."""
        pipeline = self._client.pipeline(transaction=False)
        due = str(time.time_ns() // 1_000)
        for number in range(self._begin, self._begin + FLOOR_BATCH):
            pipeline.hset(f"floor:{number}", "due", due)
            pipeline.lpush(f"done:{number}", RECORD)
            pipeline.ltrim(f"done:{number}", 0, KEPT - 1)
        pipeline.execute()
        self._begin = (self._begin + FLOOR_BATCH) % (self._rows - FLOOR_BATCH)
        return FLOOR_BATCH


def memory_of(client: redis.Redis) -> int:
    """Return how many bytes the server has in use."""
    return int(client.info("memory")["used_memory"])


def print_server_time(client: redis.Redis) -> None:
    """Print how long the server was busy with one script, as it blocks everybody else meanwhile."""
    evalsha = client.info("commandstats")["cmdstat_evalsha"]
    print(f"server: {evalsha['usec_per_call'] / 1000:.2f} ms a script on average, {evalsha['calls']:,} scripts")
    print(f"encoding of a row: {client.object('encoding', '{tasker:}:s:schedule 0')}")


if __name__ == "__main__":
    main()
