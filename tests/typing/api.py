"""What users write, as the type checkers see it; this file is checked and never run.

A line with `type: ignore` must not type-check: the checker complains about the comment as soon as it does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from typing import Any, assert_type

import tasker
from tasker import Context, Task, schedule


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
    assert_type(tasker.on_error(sync_task, handler), Task)
    assert_type(tasker.ignore_error(sync_task, ValueError, OSError), Task)

    tasker.sequence(sync_task, 42)  # type: ignore[arg-type]
    tasker.with_repeat("every minute", sync_task)  # type: ignore[call-overload]
    tasker.with_timeout("5s", sync_task)  # type: ignore[call-overload]


@tasker.with_repeat(schedule.Interval(minutes=5))
def heartbeat(ctx: Context) -> None: ...


@tasker.with_timeout(5)
async def poll(ctx: Context) -> None: ...


def decorated() -> None:
    assert_type(heartbeat, Task)
    assert_type(poll, Task)


def a_program() -> None:
    assert_type(tasker.main(sync_task, async_task), None)
    assert_type(tasker.main(sync_task, grace=10), None)


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


def a_scheduler() -> None:
    scheduler = tasker.Scheduler("sqlite:///tasker.db", namespace="reports")
    assert_type(scheduler.with_schedule("vacuum", schedule.Monthly(day=1), sync_task), Task)
    scheduler.add("mail", schedule.Daily(hour=7), async_task)
    scheduler.remove("mail")
    tasker.main(scheduler)

    @scheduler.with_schedule("cleanup", schedule.Interval(days=1))
    def cleanup() -> None: ...

    assert_type(cleanup, Task)


def errors() -> None:
    try:
        tasker.main(sync_task)
    except* tasker.DeadlineExceeded as group:
        assert_type(group, ExceptionGroup[tasker.DeadlineExceeded])
