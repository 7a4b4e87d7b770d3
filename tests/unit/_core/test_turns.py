from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tasker import Cancelled, Context, run, to_task
from tasker._core.turns import Turns
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended


def on_a_loop(ctx: Context, program: Callable[[Turns], Awaitable[None]]) -> None:
    """Run a program that takes turns under a context, outside of it."""

    async def take_turns() -> None:
        with Turns(ctx) as turns:
            await program(turns)

    run(take_turns)


def test_a_pause_lasts_as_long_as_it_is_told_to(clock: VirtualClock) -> None:
    async def program(turns: Turns) -> None:
        await turns.pause(5)
        await turns.pause(2)

    on_a_loop(Context.background(), program)

    assert clock.elapsed == 7


def test_a_pause_ends_with_the_context(clock: VirtualClock) -> None:
    on_a_loop(Context.background().with_timeout(3), lambda turns: turns.pause(5))

    assert clock.elapsed == 3


def test_under_a_context_that_has_ended_a_pause_is_none(clock: VirtualClock) -> None:
    on_a_loop(ended(), lambda turns: turns.pause(5))

    assert clock.elapsed == 0


def test_what_a_task_fails_with_is_raised() -> None:
    async def fail() -> None:
        raise Boom

    with pytest.raises(Boom):
        on_a_loop(Context.background(), lambda turns: turns.perform(to_task(fail)))


def test_an_async_task_is_cancelled_natively_when_the_context_ends(clock: VirtualClock) -> None:
    seen: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)
            seen.append("cleaned up")

    async def program(turns: Turns) -> None:
        with pytest.raises(Cancelled):
            await turns.perform(to_task(wait))

    on_a_loop(Context.background().with_timeout(3), program)

    assert (seen, clock.elapsed) == (["cleaned up"], 4)


@pytest.mark.parametrize(("leaves_with_it", "message"), [(True, "enough"), (False, "")])
def test_a_native_cancellation_of_the_caller_is_passed_on_and_raised_when_the_task_has_ended(
    clock: VirtualClock, *, leaves_with_it: bool, message: str
) -> None:
    seen: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            seen.append("left")
            if leaves_with_it:
                raise

    async def perform() -> None:
        with Turns(Context.background()) as turns:
            await turns.perform(to_task(wait))

    async def program() -> None:
        performing = asyncio.create_task(perform())
        await asyncio.sleep(3)
        performing.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await performing
        assert str(caught.value) == message

    run(program)

    assert (seen, clock.elapsed) == (["left"], 4)


def test_a_task_that_waits_in_vain_to_be_asked_again_is_cancelled_each_time(clock: VirtualClock) -> None:
    seen: list[str] = []

    async def wait() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            seen.append("went on")

    async def perform() -> None:
        with Turns(Context.background()) as turns:
            await turns.perform(to_task(wait))

    async def program() -> None:
        performing = asyncio.create_task(perform())
        for _ in range(2):
            await asyncio.sleep(3)
            performing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await performing

    run(program)

    assert (seen, clock.elapsed) == (["went on", "went on"], 6)


def test_nothing_of_it_stays_at_the_context() -> None:
    ctx = Context.background().with_cancel()

    async def nothing() -> None: ...

    async def program(turns: Turns) -> None:
        await turns.pause(0)
        await turns.perform(to_task(nothing))

    on_a_loop(ctx, program)

    assert ctx._hooks == {}
