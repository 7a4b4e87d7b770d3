"""tasker's scheduler, as people use it: with its defaults, but for what a name says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import tasker
from benchmarks.loads import Jobs
from tasker import Run, Scheduler, schedule


@contextmanager
def sync_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs in worker threads."""

    def note() -> None:
        jobs.note(int(Run.current().schedule_id))

    with _running(jobs, Scheduler(jobs.url or None), note):
        yield


@contextmanager
def async_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs on the event loop."""

    async def note() -> None:
        await jobs.note_async(int(Run.current().schedule_id))

    with _running(jobs, Scheduler(jobs.url or None), note):
        yield


@contextmanager
def many_sync_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs in worker threads, as many at a time as make full batches."""

    def note() -> None:
        jobs.note(int(Run.current().schedule_id))

    with _running(jobs, Scheduler(jobs.url or None, max_running=256), note):
        yield


@contextmanager
def many_async_jobs(jobs: Jobs) -> Iterator[None]:
    """Jobs on the event loop, as many at a time as make full batches."""

    async def note() -> None:
        await jobs.note_async(int(Run.current().schedule_id))

    with _running(jobs, Scheduler(jobs.url or None, max_running=256), note):
        yield


@contextmanager
def _running(jobs: Jobs, scheduler: Scheduler, note: tasker.TaskLike) -> Iterator[None]:
    for job in range(jobs.number):
        at = datetime.fromtimestamp(jobs.due(job), UTC)
        rule = schedule.At(at) if jobs.period is None else schedule.Interval(seconds=jobs.period, anchor=at)
        scheduler.add(str(job), rule, note)
    with tasker.background(scheduler):
        last = str(jobs.number - 1)
        while not any(state.next_slot for state in scheduler.states(last)):
            time.sleep(0.001)
        yield
