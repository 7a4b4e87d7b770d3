"""APScheduler 3 with its defaults: jobs in memory, ten threads, and a second of grace for late ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.contestants.loops import loop_in_thread
from benchmarks.loads import Jobs

logging.getLogger("apscheduler").setLevel(logging.CRITICAL)


@contextmanager
def sync_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs in the scheduler's pool of threads."""
    scheduler = BackgroundScheduler(timezone=UTC)
    _add(scheduler, jobs, jobs.note)
    scheduler.start()
    yield
    scheduler.shutdown()


@contextmanager
def async_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs on the event loop."""

    async def program(ready: Callable[[], None], over: asyncio.Event) -> None:
        scheduler = AsyncIOScheduler(timezone=UTC)
        _add(scheduler, jobs, jobs.note_async)
        scheduler.start()
        ready()
        await over.wait()
        scheduler.shutdown()

    with loop_in_thread(program):
        yield


def _add(scheduler: BaseScheduler, jobs: Jobs, note: Callable[[int], object]) -> None:
    for job in range(jobs.number):
        at = datetime.fromtimestamp(jobs.due(job), UTC)
        trigger = (
            DateTrigger(at, timezone=UTC)
            if jobs.period is None
            else IntervalTrigger(seconds=jobs.period, start_date=at, timezone=UTC)
        )
        scheduler.add_job(note, trigger, args=(job,))
