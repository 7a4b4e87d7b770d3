"""Procrastinate: periodic tasks on PostgreSQL, ten at a time, on the event loop. Its rules are crons: whole seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from procrastinate import App, PsycopgConnector

from benchmarks.contestants.loops import loop_in_thread
from benchmarks.loads import Jobs

logging.getLogger("procrastinate").setLevel(logging.CRITICAL)


@contextmanager
def async_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs that are due each second."""
    assert jobs.period == 1.0, jobs

    async def program(ready: Callable[[], None], over: asyncio.Event) -> None:
        app = App(connector=PsycopgConnector(conninfo=jobs.url))

        async def note(timestamp: int) -> None:  # noqa: ARG001 - the name is procrastinate's
            await jobs.note_async(0)

        task = app.task(note, name="note")
        for job in range(jobs.number):
            app.periodic(cron="* * * * * *", periodic_id=str(job))(task)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            worker = asyncio.create_task(app.run_worker_async(concurrency=10, install_signal_handlers=False))
            ready()
            await over.wait()
            worker.cancel()
            await asyncio.wait([worker], timeout=5)

    with loop_in_thread(program):
        yield
