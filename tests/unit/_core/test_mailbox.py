from __future__ import annotations

import asyncio
import threading
from typing import Any

from tasker._core.mailbox import Mailbox, mailbox_of
from tests._support.tasks import Boom


def test_calls_are_delivered_on_the_loop_in_order() -> None:
    got: list[tuple[int, str]] = []

    async def work() -> None:
        mailbox = mailbox_of(asyncio.get_running_loop())
        for number in range(3):
            mailbox.post(lambda number=number: got.append((number, threading.current_thread().name)))  # type: ignore[misc]
        await asyncio.sleep(0)

    asyncio.run(work())

    assert got == [(0, "MainThread"), (1, "MainThread"), (2, "MainThread")]


def test_a_call_is_never_made_at_once() -> None:
    async def work() -> bool:
        calls: list[int] = []
        mailbox_of(asyncio.get_running_loop()).post(lambda: calls.append(1))
        return bool(calls)

    assert asyncio.run(work()) is False


def test_what_a_call_posts_waits_for_the_next_turn_of_the_loop() -> None:
    async def work() -> list[str]:
        log: list[str] = []
        mailbox = mailbox_of(asyncio.get_running_loop())
        mailbox.post(lambda: mailbox.post(lambda: log.append("posted by a call")))
        mailbox.post(lambda: log.append("posted before"))
        await asyncio.sleep(0)
        log.append("a turn")
        await asyncio.sleep(0)
        return log

    assert asyncio.run(work()) == ["posted before", "a turn", "posted by a call"]


def test_a_failing_call_is_reported_and_the_others_are_made() -> None:
    reports: list[dict[str, Any]] = []
    calls: list[int] = []

    def fail() -> None:
        raise Boom

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, report: reports.append(report))
        mailbox = mailbox_of(loop)
        mailbox.post(fail)
        mailbox.post(lambda: calls.append(1))
        await asyncio.sleep(0)

    asyncio.run(work())

    assert ([type(report["exception"]) for report in reports], calls) == ([Boom], [1])


def test_no_call_from_many_threads_is_lost() -> None:
    async def work() -> int:
        loop = asyncio.get_running_loop()
        mailbox = mailbox_of(loop)
        left = 8 * 500
        everything = loop.create_future()

        def call() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                everything.set_result(None)

        def post() -> None:
            for _ in range(500):
                mailbox.post(call)

        threads = [threading.Thread(target=post) for _ in range(8)]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(10):
            await everything
        for thread in threads:
            thread.join()
        return left

    assert asyncio.run(work()) == 0


def test_a_burst_of_calls_costs_one_wake_up() -> None:
    wake_ups: list[int] = []

    class Loop(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> asyncio.Handle:  # type: ignore[override]
            wake_ups.append(1)
            return super().call_soon_threadsafe(*args, **kwargs)

    loop = Loop()
    mailbox = Mailbox(loop)
    for _ in range(100):
        mailbox.post(lambda: None)
    loop.close()

    assert len(wake_ups) == 1


def test_a_closed_loop_keeps_nothing() -> None:
    loop = asyncio.new_event_loop()
    mailbox = Mailbox(loop)
    loop.close()

    mailbox.post(lambda: None)
    mailbox.post(lambda: None)

    assert not mailbox._calls


def test_a_loop_has_one_mailbox() -> None:
    async def work() -> bool:
        loop = asyncio.get_running_loop()
        return mailbox_of(loop) is mailbox_of(loop)

    assert asyncio.run(work())


def test_two_loops_in_one_thread_have_their_own_mailboxes() -> None:
    async def work() -> Mailbox:
        return mailbox_of(asyncio.get_running_loop())

    assert asyncio.run(work()) is not asyncio.run(work())
