from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator

import pytest

from tasker import Cancelled, Context, concurrence, run, to_task
from tasker._core import loops
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, until_the_end, until_the_end_async


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("task", [until_the_end_async, concurrence(until_the_end, until_the_end_async)])
def test_ctrl_c_ends_what_runs_and_is_raised(task: object) -> None:
    async def ctrl_c() -> None:
        await asyncio.sleep(0)
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run(concurrence(task, ctrl_c))  # type: ignore[arg-type]


def test_ctrl_c_while_the_loop_waits_is_heard() -> None:
    async def waits_for_ctrl_c(ctx: Context) -> None:
        main = threading.main_thread().ident or 0
        threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGINT)).start()
        await ctx.wait_async()

    with pytest.raises(KeyboardInterrupt):
        run(waits_for_ctrl_c)


def test_ctrl_c_lets_tasks_clean_up() -> None:
    log: list[str] = []

    async def work() -> None:
        interrupt()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run(work)

    assert log == ["cleaned up"]


def test_a_failure_is_raised_rather_than_ctrl_c() -> None:
    async def work() -> None:
        interrupt()
        try:
            await asyncio.sleep(3600)
        finally:
            raise Boom

    with pytest.raises(Boom):
        run(work)


def test_a_second_ctrl_c_is_raised_at_once() -> None:
    log: list[str] = []

    async def work() -> None:
        interrupt()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            log.append("first")
        interrupt()
        await asyncio.sleep(3600)

    with pytest.raises(KeyboardInterrupt):
        run(work)

    assert log == ["first"]


def test_the_handler_of_ctrl_c_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)

    run(to_task(_nothing))

    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_the_program_has_installed_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))

    async def work() -> None:
        interrupt()

    try:
        run(work)
    finally:
        signal.signal(signal.SIGINT, before)

    assert heard == [signal.SIGINT]


def test_a_handler_that_a_task_has_installed_stays() -> None:
    before = signal.getsignal(signal.SIGINT)

    async def work() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    try:
        run(work)
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert after is signal.SIG_IGN


async def _nothing() -> None: ...


def test_what_the_user_left_running_on_the_loop_is_cancelled_and_waited_for() -> None:
    log: list[str] = []

    async def stray() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    strays: list[asyncio.Task[None]] = []

    async def work() -> None:
        strays.append(asyncio.get_running_loop().create_task(stray()))
        await asyncio.sleep(0)

    run(work)

    assert log == ["cleaned up"]


def test_the_end_of_the_loop_does_not_wait_for_what_was_given_up(clock: VirtualClock) -> None:
    async def stuck() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    async def work() -> None:
        running = asyncio.get_running_loop().create_task(stuck())
        await asyncio.sleep(0)
        loops.abandon(running)

    run(work)

    assert clock.elapsed == 1


def test_the_end_of_the_loop_does_not_wait_for_threads_of_what_was_given_up() -> None:
    release = threading.Event()

    async def work() -> None:
        running = asyncio.get_running_loop().create_task(asyncio.to_thread(release.wait, 30))
        await asyncio.sleep(0)
        loops.abandon(running)

    run(work)
    release.set()


def test_afterwards_the_thread_has_no_loop() -> None:
    run(_nothing)

    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_async_generators_are_closed_with_the_loop() -> None:
    log: list[str] = []
    kept: list[AsyncGenerator[int]] = []

    async def generator() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            log.append("closed")

    async def work() -> None:
        kept.append(generator())
        await anext(kept[0])

    run(work)

    assert log == ["closed"]


def test_the_outcome_of_a_coroutine_is_what_leaves_it() -> None:
    error = SystemExit(3)

    async def exits() -> None:
        raise error

    assert asyncio.run(loops.outcome_of(exits)) is error


def test_ctrl_c_in_another_thread_than_the_main_one_is_nobodys() -> None:
    outcomes: list[object] = []
    ctx = Context.background().with_cancel()

    def work() -> None:
        try:
            run(until_the_end_async, ctx)
        except Cancelled as error:
            outcomes.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    ctx.cancel()
    thread.join()

    assert outcomes == [Cancelled]
