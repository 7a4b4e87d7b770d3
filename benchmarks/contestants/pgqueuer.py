"""PgQueuer: recurring jobs on PostgreSQL, on the event loop. Its rules are crons: whole seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from pgqueuer import PgQueuer
from pgqueuer.models import Schedule

from benchmarks.contestants.loops import loop_in_thread
from benchmarks.loads import Jobs

logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)


@contextmanager
def async_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs that are due each few seconds."""
    assert jobs.period, jobs
    expression = f"* * * * * */{jobs.period:.0f}"

    async def program(ready: Callable[[], None], over: asyncio.Event) -> None:
        connection = await psycopg.AsyncConnection.connect(jobs.url, autocommit=True)
        queuer = PgQueuer.from_psycopg_connection(connection)
        await queuer.queries.install()

        async def note(_: Schedule) -> None:
            await jobs.note_async(0)

        for job in range(jobs.number):
            queuer.schedule(f"job {job}", expression)(note)
        running = asyncio.create_task(queuer.run())
        ready()
        await over.wait()
        running.cancel()
        await asyncio.wait([running], timeout=5)
        await connection.close()

    with loop_in_thread(program):
        yield
