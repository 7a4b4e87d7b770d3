"""What becomes of errors, of a block and of its tasks, and what happens when tasks do not stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tasker import (
    Context,
    ShutdownTimeout,
    TaskLike,
    background,
    concurrence,
    run,
    sequence,
    to_task,
    with_grace,
    with_shutdown,
)
from tasker.combinators import _block
from tasker.combinators._budget import Budget
from tasker.testing import VirtualClock
from tests._support.leftovers import eventually, hooks, nothing_left_behind, tasks_of_loop
from tests._support.tasks import Boom, sleeping_async, until_the_end, until_the_end_async

BACKGROUND = Context.background()
Block = Callable[[Context], object]


class Used:
    """One use of a block in virtual time.

    Attributes:
        error: What was raised at its end.
        at: When.
    """

    def __init__(self, clock: VirtualClock, *tasks: TaskLike, block: Block, kind: str, grace: float = 25) -> None:
        self.error: BaseException | None = None
        made = background(*tasks, grace=grace)

        def sync() -> None:
            with made as ctx:
                block(ctx)

        async def asynchronous() -> None:
            async with made as ctx:
                await to_task(lambda: block(ctx))(ctx)

        def catch(task: TaskLike) -> Callable[[], None]:
            def work() -> None:
                try:
                    run(task)
                except BaseException as error:
                    self.error = error

            return work

        ways: dict[str, Callable[[], None]] = {
            "sync": catch(sync),
            "async": catch(asynchronous),
            "in a task": lambda: run(concurrence(catch(sync))),
        }
        ways[kind]()
        self.at = clock.elapsed

    @property
    def errors(self) -> list[type[BaseException]]:
        """The types of the errors in the group that was raised."""
        assert isinstance(self.error, BaseExceptionGroup), self.error
        return [type(each) for each in self.error.exceptions]


KINDS = pytest.mark.parametrize("kind", ["sync", "async", "in a task"])


def fails_after(seconds: float, error: BaseException) -> TaskLike:
    def fails(ctx: Context) -> None:
        ctx.wait(seconds)
        raise error

    return fails


def fails_at_the_end(error: BaseException) -> TaskLike:
    async def fails() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise error

    return fails


def raises(error: BaseException, after: float = 0) -> Block:
    def block(ctx: Context) -> None:
        BACKGROUND.sleep(after)
        raise error

    return block


def waits(ctx: Context) -> None:
    ctx.wait(3600)


# --- a task fails ---


@KINDS
def test_a_failure_ends_the_context_and_is_raised_at_the_end_as_a_group(kind: str, clock: VirtualClock) -> None:
    error = Boom()

    used = Used(clock, fails_after(60, error), until_the_end_async, block=waits, kind=kind)

    assert isinstance(used.error, ExceptionGroup)
    assert used.error.exceptions == (error,)
    assert used.at == 60


@KINDS
def test_a_failure_is_logged_when_it_happens(kind: str, clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str]] = []

    def block(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(1)
        seen.extend((record.levelname, record.getMessage()) for record in caplog.records if record.exc_info)

    Used(clock, to_task(fails_after(60, Boom()), "poll"), block=block, kind=kind)

    assert seen == [("ERROR", "'poll' failed")]


@KINDS
def test_the_cause_names_what_failed(kind: str, clock: VirtualClock) -> None:
    # thejerf/suture#22: why did it stop?
    given: list[Context] = []
    error = Boom("no")

    def block(ctx: Context) -> None:
        given.append(ctx)
        ctx.wait()

    Used(clock, to_task(fails_after(60, error), "poll"), block=block, kind=kind)

    cause = given[0].cause
    assert str(cause) == "'poll' failed: Boom('no')"
    assert cause is not None
    assert cause.__cause__ is error


@KINDS
def test_all_failures_are_in_the_group(kind: str, clock: VirtualClock) -> None:
    tasks = [fails_after(60, ValueError()), fails_at_the_end(LookupError())]

    used = Used(clock, *tasks, until_the_end, block=waits, kind=kind)

    assert used.errors == [ValueError, LookupError]


@KINDS
def test_a_failure_while_they_stop_is_raised_too(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, fails_at_the_end(Boom()), block=lambda ctx: BACKGROUND.sleep(1), kind=kind)

    assert used.errors == [Boom]


@KINDS
def test_groups_of_tasks_stay_groups(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, concurrence(fails_after(1, Boom()), until_the_end), block=waits, kind=kind)

    assert used.errors == [ExceptionGroup]


@pytest.mark.parametrize("kind", ["sync", "in a task"])
def test_plain_code_goes_on_until_it_looks_at_its_context(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, fails_after(5, Boom()), block=lambda ctx: BACKGROUND.sleep(60), kind=kind)

    assert (used.errors, used.at) == ([Boom], 60)


@KINDS
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_asks_for_the_end_of_the_program_is_raised_bare(
    kind: str, error: BaseException, clock: VirtualClock
) -> None:
    used = Used(clock, fails_after(60, error), fails_at_the_end(Boom()), block=waits, kind=kind)

    assert used.error is error
    assert isinstance(error.__cause__, ExceptionGroup)
    assert used.at == 60


# --- the block fails ---


@KINDS
def test_the_error_of_the_block_alone_goes_on_as_it_is(kind: str, clock: VirtualClock) -> None:
    error = Boom()

    used = Used(clock, until_the_end, until_the_end_async, block=raises(error, after=60), kind=kind)

    assert used.error is error


@KINDS
def test_both_errors_are_raised_together(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, fails_at_the_end(LookupError()), block=raises(Boom(), after=60), kind=kind)

    assert used.errors == [Boom, LookupError]
    assert str(used.error) == "errors in the block and in its background tasks (2 sub-exceptions)"


@KINDS
def test_a_block_that_fails_because_its_context_has_ended_is_in_the_group(kind: str, clock: VirtualClock) -> None:
    def block(ctx: Context) -> None:
        ctx.wait()
        raise Boom

    used = Used(clock, fails_after(60, LookupError()), block=block, kind=kind)

    assert used.errors == [Boom, LookupError]


@KINDS
def test_leaving_the_block_with_cancelled_gives_way_to_the_failure(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, fails_after(60, Boom()), block=lambda ctx: ctx.sleep(3600), kind=kind)

    assert used.errors == [Boom]


@KINDS
def test_an_error_of_a_task_that_the_block_raises_again_is_not_there_twice(kind: str, clock: VirtualClock) -> None:
    error = Boom()

    def block(ctx: Context) -> None:
        ctx.wait()
        assert ctx.cause is not None
        assert ctx.cause.__cause__ is not None
        raise ctx.cause.__cause__

    used = Used(clock, fails_after(60, error), block=block, kind=kind)

    assert used.errors == [Boom]


@KINDS
def test_an_exit_of_the_block_is_raised_bare_from_the_failures(kind: str, clock: VirtualClock) -> None:
    error = SystemExit(3)

    used = Used(clock, fails_at_the_end(Boom()), block=raises(error, after=1), kind=kind)

    assert used.error is error
    assert isinstance(error.__cause__, ExceptionGroup)


def test_a_generator_that_is_closed_inside_a_block_closes_quietly() -> None:
    def generator() -> Iterator[int]:
        with background(until_the_end_async):
            yield 1

    with nothing_left_behind():
        each = generator()
        next(each)
        each.close()  # type: ignore[attr-defined]


def test_a_generator_that_is_closed_inside_a_block_raises_what_failed() -> None:
    def generator() -> Iterator[int]:
        with background(fails_after(0, Boom())) as ctx:
            ctx.wait()
            yield 1

    each: Any = generator()
    next(each)
    with pytest.raises(ExceptionGroup) as caught:
        each.close()

    assert [type(error) for error in caught.value.exceptions] == [Boom]


# --- an async block is cancelled natively ---


def test_a_failure_cancels_the_block_where_it_waits_and_leaves_no_cancellation_behind(clock: VirtualClock) -> None:
    async def work() -> None:
        with pytest.raises(ExceptionGroup):
            async with background(fails_after(60, Boom())):
                await asyncio.sleep(3600)
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0
        await asyncio.sleep(0)  # a stray cancellation would be raised here
        await asyncio.sleep(1)

    run(work)

    assert clock.elapsed == 61


def test_it_is_cancelled_once_whatever_else_fails(clock: VirtualClock) -> None:
    cancellations: list[float] = []

    async def work() -> None:
        async with background(fails_after(60, Boom()), fails_at_the_end(LookupError())):
            try:
                await asyncio.sleep(3600)
            finally:
                cancellations.append(clock.elapsed)
                await asyncio.sleep(5)

    with pytest.raises(ExceptionGroup) as caught:
        run(work)

    assert (cancellations, clock.elapsed) == ([60], 65)
    assert len(caught.value.exceptions) == 2


def test_a_block_that_swallows_its_cancellation_goes_on_to_its_end(clock: VirtualClock) -> None:
    async def work() -> None:
        with pytest.raises(ExceptionGroup):
            async with background(fails_after(60, Boom())):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)
                await asyncio.sleep(5)
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0

    run(work)

    assert clock.elapsed == 65


def test_a_failure_after_the_block_cancels_nothing(clock: VirtualClock) -> None:
    async def work() -> None:
        with pytest.raises(ExceptionGroup):
            async with background(fails_at_the_end(Boom())):
                await asyncio.sleep(1)
        await asyncio.sleep(1)

    run(work)

    assert clock.elapsed == 2


def test_a_timeout_of_asyncio_around_it_still_counts_right(clock: VirtualClock) -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                async with background(until_the_end_async):
                    await asyncio.sleep(3600)
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(60):
                async with background(fails_after(5, Boom())):
                    await asyncio.sleep(3600)

    run(work)

    assert clock.elapsed == 65


def test_a_task_group_of_asyncio_around_it_still_counts_right(clock: VirtualClock) -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(7))
            with pytest.raises(ExceptionGroup):
                async with background(fails_after(5, Boom())):
                    await asyncio.sleep(3600)

    run(work)

    assert clock.elapsed == 7


def test_a_cancellation_from_outside_ends_it_and_goes_on(clock: VirtualClock) -> None:
    ends: list[float] = []

    async def leaves_slowly() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3)
            ends.append(clock.elapsed)

    async def block() -> None:
        async with background(leaves_slowly):
            await asyncio.sleep(3600)

    async def work() -> None:
        running = asyncio.ensure_future(block())
        await asyncio.sleep(60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert running.cancelling() == 1

    run(work)

    assert ends == [63]


def test_cancellations_while_it_stops_do_not_cut_the_stop_short_and_go_on(clock: VirtualClock) -> None:
    # Arize-ai/phoenix PR #15936: a second cancellation killed the clean-up.
    ends: list[float] = []

    def leaves_slowly(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(10)
        ends.append(clock.elapsed)

    async def block() -> None:
        async with background(leaves_slowly):
            await asyncio.sleep(60)

    async def work() -> None:
        running = asyncio.ensure_future(block())
        await asyncio.sleep(62)
        running.cancel()
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert running.cancelling() == 2

    run(work)

    assert ends == [70]


def test_a_failure_goes_before_a_cancellation_from_outside(clock: VirtualClock) -> None:
    async def block() -> None:
        async with background(fails_at_the_end(Boom())):
            await asyncio.sleep(3600)

    async def work() -> None:
        running = asyncio.ensure_future(block())
        await asyncio.sleep(60)
        running.cancel()
        with pytest.raises(ExceptionGroup):
            await running

    run(work)


@pytest.mark.parametrize("ticks", range(12))
@pytest.mark.parametrize("also", ["a failure", "nothing else"])
def test_a_cancellation_at_any_tick_leaves_nothing_behind(ticks: int, also: str) -> None:
    async def fails() -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        if also == "a failure":
            raise Boom

    async def block() -> None:
        async with background(fails, until_the_end_async):
            await asyncio.sleep(3600)

    async def work() -> None:
        running = asyncio.ensure_future(block())
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        async with asyncio.timeout(10):
            with pytest.raises((asyncio.CancelledError, ExceptionGroup)):
                await running
        assert tasks_of_loop() == set()

    asyncio.run(work())


async def half(of: AsyncIterator[Context]) -> Context:
    return await anext(of)


def test_a_block_that_is_left_in_another_task_than_it_was_entered_ends_all_the_same(clock: VirtualClock) -> None:
    # As fixtures of some test runners are: their two halves run in a task each.
    async def fixture() -> AsyncIterator[Context]:
        async with background(until_the_end_async) as ctx:
            yield ctx

    async def work() -> None:
        before = asyncio.all_tasks()
        halves = fixture()
        ctx = await asyncio.create_task(half(halves))
        ctx.raise_if_done()
        with contextlib.suppress(StopAsyncIteration):
            await asyncio.create_task(half(halves))
        assert ctx.done
        assert asyncio.all_tasks() == before

    run(work)


def test_a_failure_in_a_block_whose_first_task_is_over_is_raised_by_its_end(clock: VirtualClock) -> None:
    async def fixture() -> AsyncIterator[Context]:
        async with background(fails_after(5, Boom())) as ctx:
            yield ctx

    async def work() -> None:
        halves = fixture()
        await asyncio.create_task(half(halves))
        await asyncio.sleep(10)
        with pytest.raises(ExceptionGroup):
            await asyncio.create_task(half(halves))

    run(work)

    assert clock.elapsed == 10


def test_a_failure_while_it_stops_does_not_cancel_the_task_that_entered_it(clock: VirtualClock) -> None:
    async def fixture() -> AsyncIterator[Context]:
        async with background(fails_at_the_end(Boom())) as ctx:
            yield ctx

    async def enters_and_goes_on(halves: AsyncIterator[Context], entered: asyncio.Event) -> None:
        await anext(halves)
        entered.set()
        await asyncio.sleep(3600)

    async def work() -> None:
        halves = fixture()
        entered = asyncio.Event()
        first = asyncio.create_task(enters_and_goes_on(halves, entered))
        await entered.wait()
        await asyncio.sleep(1)
        with pytest.raises(ExceptionGroup):
            await asyncio.create_task(half(halves))
        await first

    run(work)

    assert clock.elapsed == 3600


# --- the grace ---


async def ignores_everything() -> None:
    while True:
        try:
            await BACKGROUND.wait_async(3600)
        except asyncio.CancelledError:
            continue


def sleeps(ctx: Context) -> None:
    BACKGROUND.sleep(1)


@KINDS
def test_what_leaves_in_time_is_not_reported(kind: str, clock: VirtualClock) -> None:
    # thejerf/suture#34: a timeout was reported though all had stopped.
    def leaves_just_in_time(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(24.9)

    used = Used(clock, leaves_just_in_time, block=sleeps, kind=kind)

    assert (used.error, used.at) == (None, 25.9)


@KINDS
def test_what_still_runs_after_the_grace_is_named_and_left_behind(kind: str, clock: VirtualClock) -> None:
    # cjrh/aiorun#77: it hung when a task ignored its cancellation.
    used = Used(clock, ignores_everything, until_the_end, block=sleeps, kind=kind, grace=7)

    assert isinstance(used.error, ExceptionGroup)
    (error,) = used.error.exceptions
    assert isinstance(error, ShutdownTimeout)
    assert (error.tasks, error.grace) == (("ignores_everything",), 7)
    assert 8 <= used.at <= 10  # a loop of its own may take a second, or two, to close


def test_a_sync_task_that_does_not_return_is_named_and_left_behind(clock: VirtualClock) -> None:
    release = BACKGROUND.with_cancel()
    stuck = to_task(lambda: release.wait(), "stuck")  # noqa: PLW0108 - it takes an argument

    used = Used(clock, concurrence(sequence(stuck), until_the_end), block=sleeps, kind="sync", grace=7)
    release.cancel()

    assert isinstance(used.error, ExceptionGroup)
    assert str(used.error.exceptions[0]) == "still running 7 s after being asked to stop: 'stuck'"
    assert used.at == 9  # its loop had a second to close


@KINDS
def test_where_it_still_runs_is_logged(kind: str, clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    Used(clock, ignores_everything, block=sleeps, kind=kind, grace=7)

    (record,) = [record for record in caplog.records if "is still running" in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert "'ignores_everything' is still running 7.0 s after it was asked to stop:\n" in record.getMessage()
    assert "await BACKGROUND.wait_async(3600)" in record.getMessage()


def test_a_grace_that_is_over_in_the_moment_in_which_all_have_stopped_reports_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        block = _block.AsyncBlock([to_task(until_the_end_async)], 25)
        await block.end(None)
        block._late()

    asyncio.run(work())

    assert caplog.records == []


@KINDS
def test_it_is_raised_together_with_all_else(kind: str, clock: VirtualClock) -> None:
    tasks = [ignores_everything, fails_at_the_end(LookupError())]

    used = Used(clock, *tasks, block=raises(Boom(), after=1), kind=kind, grace=7)

    assert used.errors == [Boom, LookupError, ShutdownTimeout]


@KINDS
def test_a_grace_of_zero_waits_for_nothing(kind: str, clock: VirtualClock) -> None:
    used = Used(clock, ignores_everything, block=sleeps, kind=kind, grace=0)

    assert used.errors == [ShutdownTimeout]


@pytest.mark.parametrize("kind", ["sync", "in a task"])
def test_the_grace_begins_when_the_context_ends(kind: str, clock: VirtualClock) -> None:
    def leaves_late(ctx: Context) -> None:
        ctx.wait()
        BACKGROUND.sleep(20)

    # They were told at 5, so at 25 they are gone, and the block that goes on until 30 has nothing to wait for.
    used = Used(clock, fails_after(5, Boom()), leaves_late, block=lambda ctx: BACKGROUND.sleep(30), kind=kind, grace=22)

    assert (used.errors, used.at) == ([Boom], 30)


@KINDS
def test_other_graces_inside_are_less_by_a_tenth(kind: str, clock: VirtualClock) -> None:
    # With the same default for both, the stop of a server would be over at the very moment that all is.
    left: list[float] = []

    def stop(ctx: Context) -> None:
        left.append(ctx.remaining())

    used = Used(clock, with_shutdown(sleeping_async(3600), stop), block=sleeps, kind=kind)

    assert left == [22.5]
    assert (used.error, used.at) == (None, 23.5)


@KINDS
def test_a_task_with_a_grace_sees_the_end_of_the_block(kind: str, clock: VirtualClock) -> None:
    log: list[float] = []

    async def drains(ctx: Context) -> None:
        await ctx.wait_async()
        await asyncio.sleep(3)
        log.append(clock.elapsed)

    used = Used(clock, with_grace(10, drains), block=sleeps, kind=kind)

    assert (used.error, log) == (None, [4])


def test_inside_a_budget_it_is_less_than_what_is_left_of_that(clock: VirtualClock) -> None:
    budget = Budget(20)
    ctx = budget.under(BACKGROUND).with_cancel()
    ctx._attach(budget.begin)
    clock.call_at(60, ctx.cancel)

    def work() -> None:
        with background(ignores_everything, grace=25) as inner:
            inner.wait()

    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(work), ctx)
    budget.close()

    (error,) = errors_in(caught.value)
    assert isinstance(error, ShutdownTimeout)
    assert error.grace == pytest.approx(18)
    assert clock.elapsed == pytest.approx(78, abs=1.1)


def errors_in(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [inner for each in error.exceptions for inner in errors_in(each)]
    return [error]


def test_a_loop_that_is_blocked_does_not_hold_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_block, "_TO_CLOSE", 0.05)
    release = threading.Event()
    begun = threading.Event()

    async def blocks_the_loop() -> None:
        begun.set()
        release.wait(60)

    begun_at = time.monotonic()
    with pytest.raises(ExceptionGroup) as caught, background(blocks_the_loop, grace=0.05):
        begun.wait(60)
    took = time.monotonic() - begun_at
    release.set()
    eventually(lambda: not own_threads(), "the thread of the loop is left")

    (error,) = caught.value.exceptions
    assert isinstance(error, ShutdownTimeout)
    assert error.tasks == ("blocks_the_loop",)
    assert took < 30


def test_tasks_that_a_blocked_loop_could_not_even_begin_are_named_and_never_begin() -> None:
    log: list[str] = []
    errors: list[BaseException] = []
    go_on = threading.Event()

    async def blocks_the_loop() -> None:
        go_on.wait(60)

    def work() -> None:
        try:
            with background(to_task(lambda: log.append("began"), "late"), grace=0.01):
                pass
        except BaseException as error:
            errors.extend(errors_in(error))
        go_on.set()

    run(concurrence(blocks_the_loop, work))

    assert log == []
    assert [str(error) for error in errors] == ["still running 0.01 s after being asked to stop: 'late'"]


def test_threads_of_the_loops_executor_that_do_not_end_are_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_block, "_TO_CLOSE", 0.05)
    release = threading.Event()
    begun = threading.Event()

    async def leaves_a_thread_behind() -> None:
        waiting = asyncio.get_running_loop().run_in_executor(None, release.wait, 60)
        begun.set()
        del waiting

    with pytest.raises(ExceptionGroup) as caught, background(leaves_a_thread_behind, grace=0.05):
        begun.wait(60)
    release.set()
    eventually(lambda: not own_threads(), "the thread of the loop is left")

    assert str(caught.value.exceptions[0]) == "still running 0.05 s after being asked to stop: 'the event loop'"


def own_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "tasker-background"]


# --- nothing is left ---


@KINDS
def test_failures_leave_nothing_behind(kind: str) -> None:
    def use() -> None:
        with contextlib.suppress(ExceptionGroup), background(fails_after(0, Boom()), until_the_end_async) as ctx:
            ctx.wait(60)

    async def use_async() -> None:
        with contextlib.suppress(ExceptionGroup):
            async with background(fails_after(0, Boom()), until_the_end_async):
                await asyncio.sleep(60)

    task = {"sync": to_task(use), "async": to_task(use_async), "in a task": concurrence(use)}[kind]
    with BACKGROUND.with_cancel() as ctx, nothing_left_behind(ctx):
        for _ in range(20):
            run(task, ctx)
        assert hooks(ctx) == 0


def test_no_timer_is_left_on_the_loop(clock: VirtualClock) -> None:
    async def work() -> None:
        async with background(until_the_end_async):
            await asyncio.sleep(1)
        loop: Any = asyncio.get_running_loop()
        assert [handle for handle in loop._scheduled if not handle.cancelled()] == []

    run(work)


def test_a_loop_that_a_task_stops_is_an_error_of_the_background() -> None:
    async def stops_the_loop() -> None:
        asyncio.get_running_loop().stop()

    with nothing_left_behind(), pytest.raises(ExceptionGroup) as caught, background(stops_the_loop) as ctx:
        ctx.wait(60)

    assert [str(error) for error in caught.value.exceptions] == ["Event loop stopped before Future completed."]
