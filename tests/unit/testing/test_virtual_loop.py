from __future__ import annotations

import asyncio
import socket
import threading

from tasker import Context, run
from tasker.testing import VirtualClock
from tasker.testing._virtual_loop import VirtualLoop


def test_under_a_virtual_clock_tasks_run_on_its_loop() -> None:
    seen: list[type] = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()))

    with VirtualClock():
        run(work)

    assert seen == [VirtualLoop]


def test_the_loop_shows_the_time_of_the_clock() -> None:
    times: list[float] = []

    async def work() -> None:
        await asyncio.sleep(60)
        times.append(asyncio.get_running_loop().time())

    with VirtualClock():
        run(work)

    assert times == [60]


def test_timers_fire_however_late_it_is() -> None:
    times: list[float] = []

    async def work() -> None:
        await asyncio.sleep(200 * 86_400)
        for _ in range(3):
            await asyncio.sleep(0.25)
            times.append(asyncio.get_running_loop().time() % 1)

    with VirtualClock():
        run(work)

    assert times == [0.25, 0.5, 0.75]


def test_a_call_from_another_thread_wakes_the_loop() -> None:
    async def work(ctx: Context) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Timer(0.01, lambda: loop.call_soon_threadsafe(future.set_result, "woken")).start()
        assert await future == "woken"

    with VirtualClock() as clock:
        run(work)

    assert clock.elapsed == 0


def test_real_input_wakes_the_loop() -> None:
    got: list[bytes] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            threading.Timer(0.01, lambda: there.send(b"hello")).start()
            got.append(await loop.sock_recv(here, 5))

    with VirtualClock() as clock:
        run(work)

    assert (got, clock.elapsed, clock._working) == ([b"hello"], 0, 0)


def test_no_call_from_many_threads_is_lost() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        left = 8 * 300
        everything = loop.create_future()

        def call() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                everything.set_result(None)

        def post() -> None:
            for _ in range(300):
                loop.call_soon_threadsafe(call)

        threads = [threading.Thread(target=post) for _ in range(8)]
        for thread in threads:
            thread.start()
        await everything
        for thread in threads:
            thread.join()

    with VirtualClock() as clock:
        run(work)

    assert clock._working == 0
