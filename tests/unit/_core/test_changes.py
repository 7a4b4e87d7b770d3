from __future__ import annotations

import asyncio
import threading

from tasker import run
from tasker._core.changes import Changes
from tasker._core.mailbox import mailbox_of
from tasker.testing import VirtualClock
from tests._support.leftovers import nothing_left_behind
from tests._support.tasks import noting


def changes(log: list[str]) -> Changes:
    return Changes(mailbox_of(asyncio.get_running_loop()), noting(log, "interrupted"))


def test_it_waits_until_the_condition_holds_however_often_something_changes() -> None:
    async def work() -> None:
        made = changes([])
        values: list[int] = []

        def change() -> None:
            values.append(1)
            made.post()

        for _ in range(3):
            threading.Timer(0.001, change).start()
        await made.wait_until(lambda: len(values) == 3)

    asyncio.run(work())


def test_a_condition_that_holds_is_not_waited_for() -> None:
    async def work() -> None:
        await changes([]).wait_until(lambda: True)

    asyncio.run(work())


def test_it_waits_no_longer_than_it_may(clock: VirtualClock) -> None:
    async def work() -> None:
        await changes([]).wait_until(lambda: False, 7)

    with nothing_left_behind():
        run(work)

    assert clock.elapsed == 7


def test_a_cancellation_is_passed_on_and_kept_and_ends_no_wait() -> None:
    log: list[str] = []

    async def work() -> None:
        made = changes(log)
        ends = False

        async def waits() -> None:
            await made.wait_until(lambda: ends)

        running = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0)
        log.append("still waiting" if not running.done() else "ended")
        ends = True
        made.note()
        await running
        assert isinstance(made.interruption, asyncio.CancelledError)

    asyncio.run(work())

    assert log == ["interrupted", "interrupted", "still waiting"]
