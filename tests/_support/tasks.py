"""Tasks that many tests need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tasker import Context, TaskLike, run
from tasker.errors import Cancelled


class Boom(Exception):
    """A failure that nothing but a test raises."""


def fails(ctx: Context) -> None:
    raise Boom("sync")


async def fails_async(ctx: Context) -> None:
    raise Boom("async")


def until_the_end(ctx: Context) -> None:
    ctx.wait()
    ctx.raise_if_done()


async def until_the_end_async(ctx: Context) -> None:
    await ctx.wait_async()


def sleeping(seconds: float) -> Callable[[Context], None]:
    def sleeps(ctx: Context) -> None:
        ctx.sleep(seconds)

    return sleeps


def sleeping_async(seconds: float) -> Callable[[Context], object]:
    async def sleeps(ctx: Context) -> None:
        await asyncio.sleep(seconds)

    return sleeps


def noting(log: list[str], text: str) -> Callable[[], None]:
    """Return a sync task that appends to the log."""
    return lambda: log.append(text)


def in_turn(*calls: Callable[[], object]) -> Callable[[], None]:
    """Return a function that makes some calls one after another."""

    def make_them() -> None:
        for call in calls:
            call()

    return make_them


def ended(cause: BaseException | None = None) -> Context:
    """Return a context that has ended."""
    ctx = Context.background().with_cancel()
    ctx.cancel(cause)
    return ctx


def cause_of_cancellation(task: TaskLike, ctx: Context) -> BaseException | None:
    """Run a task that must leave with `Cancelled`, and return the reason."""
    with pytest.raises(Cancelled) as caught:
        run(task, ctx)
    return caught.value.__cause__
