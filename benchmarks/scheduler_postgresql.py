"""How many runs a whole scheduler makes on PostgreSQL, with a history record for each, and how late they are.

Two loads, each beside the floor of `benchmarks.postgresql_statements` (a raw loop that moves due rows on in batches of
100) on the same throwaway server in the same run:

- saturated: more is due than can be run, so the rate is what the scheduler can do;
- a herd: a thousand schedules that are due at the same second, every second: statements a run, and lateness.

Run it from the root of the project:

    python -m benchmarks.scheduler_postgresql [--seconds 8] [--fast]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

import tasker
from benchmarks.postgresql_statements import FLOOR, FLOOR_TABLE
from benchmarks.turns import rate
from tasker import Context, Run, Scheduler, schedule
from tasker.ports import Claimed, Finished
from tasker.store.postgresql import Store
from tests._support.postgres import PostgresServer

START = datetime(2026, 1, 1, tzinfo=UTC)
WARM_UP = 3.0
FEW, MANY = 1_000, 5_000


class Counted(Store):
    """A store that counts the statements that the goals are about."""

    sent = 0

    def claim(self, *arguments: object) -> Claimed:
        """Count, and claim."""
        self.sent += 1
        return super().claim(*arguments)  # type: ignore[arg-type]

    def finish(self, *arguments: object) -> Finished:
        """Count, and finish."""
        self.sent += 1
        return super().finish(*arguments)  # type: ignore[arg-type]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="measure a scheduler on PostgreSQL")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--fast", action="store_true", help="with a server that does not write through")
    arguments = parser.parse_args()
    with PostgresServer(durable=not arguments.fast, settings={"shared_buffers": "256MB"}) as server:
        server.execute(FLOOR_TABLE.format(rows=10_000))
        with psycopg.connect(server.url(), autocommit=True, prepare_threshold=0) as raw:
            floor = rate(lambda: len(raw.execute(FLOOR).fetchall()), 3)
        print(f"floor: {floor:,.0f} rows/s")
        for kind in ("sync", "async"):
            for name, number, period in (("saturated", MANY, 0.25), ("a herd", FEW, 1.0)):
                figures = measure(server, kind, number, period=period, seconds=arguments.seconds, floor=floor)
                print(f"{name}, {kind}: {figures}")


def measure(server: PostgresServer, kind: str, number: int, *, period: float, seconds: float, floor: float) -> str:
    """Run so many schedules of this period for a while, and say what came of it."""
    late: list[float] = []

    def note() -> None:
        late.append(time.time() - Run.current().slot.timestamp())

    async def note_async() -> None:
        note()

    store = Counted(server.url(), namespace=f"{kind}_{number}", call_limit=5)
    scheduler = Scheduler(store, max_running=256)
    rule = schedule.Interval(seconds=period, anchor=START)
    for each in range(number):
        scheduler.add(f"job {each}", rule, note if kind == "sync" else note_async)
    figures: list[str] = []

    def watch(ctx: Context) -> None:
        ctx.sleep(WARM_UP)
        late.clear()
        store.sent, cpu, begun = 0, time.process_time(), time.perf_counter()
        ctx.sleep(seconds)
        runs, elapsed = len(late), time.perf_counter() - begun
        ordered = sorted(late)
        figures.append(
            f"{runs / elapsed:,.0f} runs/s, {runs / elapsed / floor:.3f} of the floor, "
            f"{store.sent / runs:.4f} statements a run, "
            f"{(time.process_time() - cpu) / runs * 1e6:.0f} us of CPU a run, "
            f"late {ordered[runs // 2] * 1000:.0f} ms (median), {ordered[int(runs * 0.99)] * 1000:.0f} ms (99 %), "
            f"{ordered[-1] * 1000:.0f} ms (most)"
        )

    stop_after(scheduler, watch)
    store.close()
    return figures[0]


def stop_after(scheduler: Scheduler, watch: Callable[[Context], None]) -> None:
    """Run the scheduler for as long as a task takes."""
    with tasker.background(scheduler) as ctx:
        watch(ctx)


if __name__ == "__main__":
    main()
