from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest

from tasker import Context, concurrence, run, sequence, to_task
from tasker._core import clock as clocks
from tasker._core.threads import start
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, sleeping, sleeping_async

BACKGROUND = Context.background()


def test_a_sync_sleep_takes_no_time() -> None:
    with VirtualClock() as clock:
        run(sleeping(24 * 3600))

    assert clock.elapsed == 86_400


def test_an_asyncio_sleep_takes_no_time() -> None:
    with VirtualClock() as clock:
        run(sleeping_async(24 * 3600))

    assert clock.elapsed == 86_400


def test_sync_and_async_share_one_time() -> None:
    times: list[tuple[str, float]] = []

    with VirtualClock() as clock:

        def sync(ctx: Context) -> None:
            for _ in range(3):
                ctx.sleep(2)
                times.append(("sync", clock.elapsed))

        async def asynchronous() -> None:
            for _ in range(2):
                await asyncio.sleep(3)
                times.append(("async", clock.elapsed))

        run(concurrence(sync, asynchronous))

    # At the sixth second both wake up, in any order.
    assert times[:3] == [("sync", 2), ("async", 3), ("sync", 4)]
    assert sorted(times[3:]) == [("async", 6), ("sync", 6)]


def test_time_stands_still_while_anything_works() -> None:
    release = threading.Event()
    elapsed: list[float] = []

    with VirtualClock() as clock:

        def works() -> None:
            release.wait(5)
            elapsed.append(clock.elapsed)

        def sleeps(ctx: Context) -> None:
            ctx.sleep(3600)

        async def releases() -> None:
            await asyncio.sleep(0)
            release.set()

        run(concurrence(works, sleeps, releases))

    assert elapsed == [0]


def test_advance_moves_time_timer_by_timer() -> None:
    log: list[tuple[str, float]] = []
    with VirtualClock() as clock:
        clock.call_at(3, lambda: log.append(("second", clock.elapsed)))
        clock.call_at(1, lambda: log.append(("first", clock.elapsed)))
        clock.call_at(11, lambda: log.append(("never", clock.elapsed)))
        clock.advance(timedelta(seconds=10))

    assert (log, clock.elapsed) == ([("first", 1), ("second", 3)], 10)


def test_advance_lets_what_just_started_come_to_rest_first() -> None:
    elapsed: list[float] = []
    for _ in range(20):
        with VirtualClock() as clock:

            def sleeps(clock: VirtualClock = clock) -> None:
                BACKGROUND.sleep(5)
                elapsed.append(clock.elapsed)

            thread = start("sleeps", sleeps)
            clock.advance(5)
            clock.settle()
            thread.join(5)

    assert elapsed == [5] * 20


def test_the_wall_clock_begins_where_it_is_told() -> None:
    with VirtualClock(datetime(2030, 6, 1, 12, tzinfo=UTC)) as clock:
        clock.advance(90)

    assert clock.now() == datetime(2030, 6, 1, 12, 1, 30, tzinfo=UTC)


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start: expected an aware datetime"):
        VirtualClock(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


def test_a_suspended_machine_s_waits_stand_still() -> None:
    with VirtualClock() as clock:
        began = clock.now()
        woken: list[float] = []
        clock.call_at(10, lambda: woken.append(clock.elapsed))
        clock.advance(3)
        clock.suspend(3600)
        clock.advance(6.9)
        before = list(woken)
        clock.advance(0.1)

        assert (before, woken) == ([], [10])
        assert (clock.elapsed, clock.boottime()) == (10, 3610)
        assert (clock.now() - began).total_seconds() == 3610


def test_a_jump_moves_the_wall_clock_only() -> None:
    with VirtualClock() as clock:
        clock.jump(-3600)

    assert (clock.now(), clock.elapsed, clock.boottime()) == (datetime(2025, 12, 31, 23, tzinfo=UTC), 0, 0)


def test_the_systems_clock_comes_back() -> None:
    with VirtualClock():
        pass

    assert clocks.current() is clocks.system()


def test_there_is_one_virtual_clock_at_a_time() -> None:
    with VirtualClock(), pytest.raises(RuntimeError, match="another virtual clock is installed already"):
        VirtualClock().__enter__()


def test_settle_gives_up_with_a_number() -> None:
    release = threading.Event()

    with VirtualClock() as clock:
        thread = start("works", lambda: release.wait(5))
        with pytest.raises(TimeoutError, match="1 tasks or loops do not come to rest"):
            clock.settle(patience=0.01)
        release.set()
        thread.join(5)


def test_a_thread_of_the_users_may_wait_too() -> None:
    done: list[bool] = []
    with VirtualClock() as clock:
        ctx = BACKGROUND.with_timeout(5)
        thread = threading.Thread(target=lambda: done.append(ctx.wait()))
        thread.start()
        clock.advance(5)
        thread.join(5)

    assert done == [True]


def test_a_user_thread_that_runs_a_task_counts_while_it_runs() -> None:
    with VirtualClock() as clock:
        thread = threading.Thread(target=lambda: run(concurrence(sleeping(5), sleeping_async(7))))
        thread.start()
        while thread.is_alive():
            clock.advance(1)
        clock.settle()

    assert clock.elapsed >= 7


def test_a_failing_timer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise Boom

    with VirtualClock() as clock:
        clock.call_at(1, fail)
        clock.advance(2)

    assert caplog.messages == ["a timer of tasker's failed"]


def test_inside_a_loop_of_the_users_time_passes_by_advance() -> None:
    async def work(clock: VirtualClock) -> float:
        sleeping = asyncio.ensure_future(to_task(lambda ctx: ctx.sleep(5))())
        waiting = asyncio.ensure_future(BACKGROUND.wait_async(3))
        await asyncio.sleep(0)
        clock.advance(5)
        await sleeping
        await waiting
        return clock.elapsed

    with VirtualClock() as clock:
        assert asyncio.run(work(clock)) == 5


def test_a_timer_in_the_thread_of_the_loop_wakes_the_loop() -> None:
    async def waits(ctx: Context) -> None:
        await ctx.wait_async()

    with VirtualClock() as clock, BACKGROUND.with_timeout(5) as ctx:

        async def both() -> None:
            assert await ctx.wait_async()

        run(both)

    assert clock.elapsed == 5


def random_tree(draw: random.Random, depth: int) -> tuple[object, float]:
    """Return a task and how long it takes."""
    kind = draw.choice(["sync", "async", "sequence", "concurrence"]) if depth else draw.choice(["sync", "async"])
    if kind in ("sync", "async"):
        seconds = draw.randrange(1, 50)
        return (sleeping if kind == "sync" else sleeping_async)(seconds), seconds
    children = [random_tree(draw, depth - 1) for _ in range(draw.randrange(1, 5))]
    tasks, times = zip(*children, strict=True)
    if kind == "sequence":
        return sequence(*tasks), sum(times)
    return concurrence(*tasks), max(times)


def test_a_hundred_random_trees_take_exactly_their_time() -> None:
    for seed in range(100):
        task, seconds = random_tree(random.Random(seed), 3)
        with VirtualClock() as clock:
            run(task)  # type: ignore[arg-type]
        assert clock.elapsed == seconds, f"seed {seed}"
        assert clock._working == 0


def test_what_runs_in_the_executor_of_the_loop_counts_as_working() -> None:
    release = threading.Event()
    elapsed: list[float] = []

    with VirtualClock() as clock:

        async def work() -> None:
            asyncio.get_running_loop().call_later(3600, lambda: None)
            threading.Timer(0.01, release.set).start()
            await asyncio.to_thread(release.wait, 5)
            elapsed.append(clock.elapsed)

        run(work)

    assert elapsed == [0]
