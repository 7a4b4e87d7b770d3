"""APScheduler 4 (an alpha) with its defaults, in memory or on PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime

from apscheduler import AsyncScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.contestants.loops import loop_in_thread
from benchmarks.loads import Jobs

logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
_note: Callable[[int], None]


def note(job: int) -> None:
    """Be found by its name, as a scheduler with a database needs it."""
    _note(job)


async def note_async(job: int) -> None:
    """Be found by its name, too."""
    _note(job)


def sync_jobs(jobs: Jobs) -> AbstractContextManager[None]:
    """Jobs in worker threads."""
    return _running(jobs, note)


def async_jobs(jobs: Jobs) -> AbstractContextManager[None]:
    """Jobs on the event loop."""
    return _running(jobs, note_async)


@contextmanager
def _running(jobs: Jobs, function: Callable[[int], object]) -> Iterator[None]:
    global _note  # noqa: PLW0603 - the database keeps only the function's name
    _note = jobs.note

    async def program(ready: Callable[[], None], over: asyncio.Event) -> None:
        async with _scheduler(jobs.url) as scheduler:
            for job in range(jobs.number):
                at = datetime.fromtimestamp(jobs.due(job), UTC)
                trigger = (
                    DateTrigger(at)
                    if jobs.period is None
                    else IntervalTrigger(
                        seconds=int(jobs.period), microseconds=round(jobs.period % 1 * 1e6), start_time=at
                    )
                )
                await scheduler.add_schedule(function, trigger, id=str(job), args=(job,))
            await scheduler.start_in_background()
            ready()
            await over.wait()

    with loop_in_thread(program):
        yield


@asynccontextmanager
async def _scheduler(url: str) -> AsyncIterator[AsyncScheduler]:
    if not url:
        async with AsyncScheduler(cleanup_interval=None) as scheduler:
            yield scheduler
        return
    from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore  # noqa: PLC0415 - in memory it is not needed
    from apscheduler.eventbrokers.psycopg import PsycopgEventBroker  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    broker = PsycopgEventBroker.from_async_sqla_engine(engine)
    async with AsyncScheduler(SQLAlchemyDataStore(engine), broker) as scheduler:
        yield scheduler
    await engine.dispose()
