"""What users write, as the type checkers see it; this file is checked and never run.

A line with `type: ignore` must not type-check: the checker complains about the comment as soon as it does.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path
from typing import Any, assert_type

import tasker
from tasker import Context, Task, events, health, schedule, serve
from tasker.ports import Instance, RunRecord, ScheduleState


def sync_task(ctx: Context) -> None: ...


async def async_task(ctx: Context) -> None: ...


def without_context() -> str:
    return "what a task returns is dropped"


class Callme:
    def __call__(self, ctx: Context) -> None: ...

    def method(self) -> None: ...


class Runnable:
    def run(self, ctx: Context) -> None: ...


def what_counts_as_a_task(server: HTTPServer) -> None:
    tasker.to_task(sync_task)
    tasker.to_task(async_task)
    tasker.to_task(without_context, name="with a name")
    tasker.to_task(functools.partial(sync_task))
    tasker.to_task(Callme())
    tasker.to_task(Callme().method)
    tasker.to_task(Runnable())
    tasker.to_task(server.serve_forever)
    tasker.to_task(lambda: None)
    tasker.to_task(tasker.to_task(sync_task))

    tasker.to_task(42)  # type: ignore[arg-type]
    tasker.to_task("heartbeat")  # type: ignore[arg-type]


async def a_task(task: Task, ctx: Context) -> None:
    assert_type(task.name, str)
    assert_type(task.run(), None)
    assert_type(task.run(ctx), None)
    assert_type(await task(ctx), None)
    assert_type(tasker.run(sync_task), None)
    assert_type(tasker.run(async_task, ctx), None)


def combinators(server: HTTPServer, handler: Callable[[Exception], None]) -> None:
    assert_type(tasker.to_task(sync_task), Task)
    assert_type(tasker.sequence(sync_task, async_task, without_context), Task)
    assert_type(tasker.concurrence(sync_task, async_task, without_context), Task)
    assert_type(tasker.with_repeat(schedule.Interval(seconds=1), sync_task), Task)
    assert_type(tasker.with_timeout(5, sync_task), Task)
    assert_type(tasker.with_timeout(timedelta(seconds=5), async_task), Task)
    assert_type(tasker.with_shutdown(server.serve_forever, server.shutdown), Task)
    assert_type(tasker.with_shutdown(server.serve_forever, server.shutdown, grace=2.5), Task)
    assert_type(tasker.with_signal_notify(sync_task), Task)
    assert_type(tasker.with_grace(5, async_task), Task)
    assert_type(tasker.with_retry(sync_task), Task)
    assert_type(tasker.with_retry(async_task, attempts=3, on=(ValueError, OSError), within=60), Task)
    assert_type(tasker.with_retry(async_task, attempts=None, on=is_busy, backoff=tasker.Backoff(initial=1)), Task)
    assert_type(tasker.on_error(sync_task, handler), Task)
    assert_type(tasker.ignore_error(sync_task, ValueError, OSError), Task)

    tasker.sequence(sync_task, 42)  # type: ignore[arg-type]
    tasker.with_repeat("every minute", sync_task)  # type: ignore[call-overload]
    tasker.with_timeout("5s", sync_task)  # type: ignore[call-overload]
    tasker.with_grace("5s", sync_task)  # type: ignore[call-overload]
    tasker.with_retry(sync_task, on=KeyboardInterrupt)  # type: ignore[arg-type]
    tasker.with_retry(sync_task, backoff=5)  # type: ignore[call-overload]


@tasker.with_repeat(schedule.Interval(minutes=5))
def heartbeat(ctx: Context) -> None: ...


@tasker.with_timeout(5)
async def poll(ctx: Context) -> None: ...


@tasker.with_grace(timedelta(seconds=5))
async def drain(ctx: Context) -> None: ...


@tasker.with_retry(attempts=3)
def fetch() -> None: ...


@tasker.with_retry
async def consume() -> None: ...


def decorated() -> None:
    assert_type(heartbeat, Task)
    assert_type(poll, Task)
    assert_type(drain, Task)
    assert_type(fetch, Task)
    assert_type(consume, Task)


def is_busy(error: Exception) -> bool:
    return "busy" in str(error)


def a_retry_policy() -> None:
    policy = tasker.Retry(attempts=3, on=(ValueError, OSError), backoff=tasker.Backoff(jitter=0.5), within=60)
    assert_type(policy.attempts, int | None)
    assert_type(policy.backoff, tasker.Backoff)
    assert_type(policy.backoff.wait(1), float)

    policy.attempts = 5  # type: ignore[misc]
    tasker.Retry(on="ValueError")  # type: ignore[arg-type]


async def a_background() -> None:
    with tasker.background(sync_task, async_task, grace=10) as ctx:
        assert_type(ctx, Context)
    async with tasker.background(sync_task) as ctx:
        assert_type(ctx, Context)
    assert_type(tasker.background(sync_task), tasker.Background)

    tasker.background(42)  # type: ignore[arg-type]


def what_people_run(server: HTTPServer, scheduler: tasker.Scheduler) -> None:
    assert_type(tasker.command("pg_dump", "--verbose", Path("shop"), cwd=Path("/backups"), env={"PGHOST": "db"}), Task)
    assert_type(tasker.command("pg_dump", name="backup", grace=20, stdout=None, stderr=logging.ERROR), Task)
    assert_type(tasker.in_process(sync_task, grace=timedelta(seconds=5)), Task)
    assert_type(serve.asgi("shop.web:app", "", 8000, port_env="PORT", proxy_headers=True), Task)
    assert_type(serve.wsgi("shop.web:app", port=8000, threads=20), Task)
    assert_type(serve.forever(server), Task)
    assert_type(health.server(8081), Task)
    assert_type(health.server(8081, schedules=scheduler, margin=3600, blocked=None), Task)
    assert_type(health.server(8081, schedules=[scheduler]), Task)

    tasker.command("pg_dump", 42)  # type: ignore[arg-type]
    serve.forever(42)  # type: ignore[arg-type]
    health.server(8081, schedules=42)  # type: ignore[arg-type]
    tasker.comand  # type: ignore[attr-defined]


def a_program() -> None:
    assert_type(tasker.main(sync_task, async_task), None)
    assert_type(tasker.main(sync_task, grace=10), None)
    assert_type(tasker.main(sync_task, drain_delay=timedelta(seconds=5)), None)


async def a_context(ctx: Context) -> None:
    assert_type(tasker.current_context(), Context)
    assert_type(Context.background(), Context)
    assert_type(ctx.done, bool)
    assert_type(ctx.cause, BaseException | None)
    assert_type(ctx.deadline, datetime | None)
    assert_type(ctx.remaining(), float)
    assert_type(ctx.wait(), bool)
    assert_type(ctx.wait(timeout=timedelta(seconds=1)), bool)
    assert_type(await ctx.wait_async(0.5), bool)
    assert_type(ctx.sleep(1), None)
    assert_type(ctx.raise_if_done(), None)
    assert_type(ctx.on_done(lambda: None), Callable[[], None])
    assert_type(ctx.value("request"), Any)
    with ctx.with_cancel() as derived:
        derived.cancel()
        derived.cancel(ValueError("no more"))
    with ctx.with_timeout(5) as derived:
        derived.cancel()
    with ctx.with_deadline(datetime(2030, 1, 1, tzinfo=UTC)) as derived:
        derived.cancel()
    with ctx.with_value("request", 7) as valued:
        sync_task(valued)
    with ctx.without_cancel() as lasting:
        sync_task(lasting)

    ctx.cancel()  # type: ignore[attr-defined]


def schedules() -> None:
    rules: list[schedule.Schedule] = [
        schedule.Interval(hours=1, anchor=datetime(2025, 1, 1, tzinfo=UTC)),
        schedule.Daily(hour=12, tz="Europe/Berlin", gap="skip", fold="both"),
        schedule.Monthly(day=-1, hour=3, tz=UTC, short_month="skip"),
    ]
    for rule in rules:
        assert_type(rule.next_after(datetime.now(UTC)), datetime | None)
        schedule.upcoming(rule, 5, after=datetime.now(UTC))

    schedule.Daily(hour=12, gap="later")  # type: ignore[arg-type]


def on_finished(event: events.RunFinished) -> None:
    assert_type(event.error, BaseException | None)


def a_scheduler() -> None:
    scheduler = tasker.Scheduler("sqlite:///tasker.db", namespace="reports")
    assert_type(scheduler.with_schedule("vacuum", schedule.Monthly(day=1), sync_task), Task)
    scheduler.add("mail", schedule.Daily(hour=7), async_task)
    scheduler.remove("mail")
    scheduler.add("retried", schedule.Daily(hour=8), async_task, retry=tasker.Retry(attempts=3))
    assert_type(scheduler.states("mail"), tuple[ScheduleState, ...])
    assert_type(scheduler.history("mail", limit=5), tuple[RunRecord, ...])
    assert_type(scheduler.explain("mail").why, str)
    assert_type(scheduler.instances(), tuple[Instance, ...])
    assert_type(scheduler.pause_all(), tuple[str, ...])
    assert_type(scheduler.purge(timedelta(days=30)), tuple[str, ...])
    assert_type(events.subscribe(on_finished, events.RunFinished), Callable[[], None])
    events.subscribe(on_finished, events.StoreUp)  # type: ignore[arg-type]
    tasker.main(scheduler)

    @scheduler.with_schedule("cleanup", schedule.Interval(days=1))
    def cleanup() -> None: ...

    assert_type(cleanup, Task)


def errors() -> None:
    try:
        tasker.main(sync_task)
    except* tasker.DeadlineExceeded as group:
        assert_type(group, ExceptionGroup[tasker.DeadlineExceeded])
