"""The floors: the least Python that starts jobs at their times, with no promise at all."""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.contestants.loops import loop_in_thread
from benchmarks.loads import Jobs


@contextmanager
def threads(jobs: Jobs) -> Iterator[None]:
    """A heap, one timer thread, and the standard pool of ten threads."""
    heap: list[tuple[float, int]] = []
    changed = threading.Condition()
    pool = ThreadPoolExecutor(10)
    is_over = False

    def keep_time() -> None:
        while not is_over:
            with changed:
                while not is_over and (not heap or (pause := heap[0][0] - time.time()) > 0):
                    changed.wait(pause if heap else None)
                if is_over:
                    return
                due, job = heapq.heappop(heap)
                if jobs.period is not None:
                    heapq.heappush(heap, (due + jobs.period, job))
            pool.submit(jobs.note, job)

    timer = threading.Thread(target=keep_time)
    timer.start()
    for job in range(jobs.number):
        with changed:
            heapq.heappush(heap, (jobs.due(job), job))
            if heap[0][1] == job:
                changed.notify()
    yield
    with changed:
        is_over = True
        changed.notify()
    timer.join()
    pool.shutdown()


@contextmanager
def tasks(jobs: Jobs) -> Iterator[None]:
    """`loop.call_at` and `create_task`."""

    async def program(ready: Callable[[], None], over: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        shift = loop.time() - time.time()
        running: set[asyncio.Task[None]] = set()

        def start(job: int, at: float) -> None:
            task = loop.create_task(jobs.note_async(job))
            running.add(task)
            task.add_done_callback(running.discard)
            if jobs.period is not None:
                loop.call_at(at + jobs.period, start, job, at + jobs.period)

        for job in range(jobs.number):
            loop.call_at(jobs.due(job) + shift, start, job, jobs.due(job) + shift)
        ready()
        await over.wait()

    with loop_in_thread(program):
        yield
