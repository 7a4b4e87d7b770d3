"""The watch looks when the tests say so: its timer is replaced, and so is the time."""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tasker._core import clock as clocks
from tasker._core import threads
from tasker._core.frames import frames_of_threads
from tasker._core.loops import run_in_new_loop
from tasker.combinators import _main
from tasker.combinators._loop_watch import LoopWatch, _waits
from tasker.testing import VirtualClock
from tests._support.leftovers import eventually
from tests._support.tasks import in_turn


class Looks:
    """Stands in for the clock thread: `look` is the next look, at a time of the test's choice."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.next: Callable[[], object] = self.at_once
        self.asked_at: list[float] = []
        monkeypatch.setattr(clocks.system(), "monotonic", lambda: self.now)
        monkeypatch.setattr(clocks.system(), "call_at", self._call_at)
        monkeypatch.setattr(threads, "submit", lambda job: job())

    def at_once(self) -> None: ...

    def _call_at(self, when: float, callback: Callable[[], object]) -> Any:
        self.asked_at.append(when)
        self.next = callback
        return self

    def cancel(self) -> None: ...

    def look(self, after: float = 0.4) -> None:
        """Let the time pass, and look in another thread."""
        self.now += after
        thread = threading.Thread(target=self.next)
        thread.start()
        thread.join()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def on_a_loop(function: Callable[[], Awaitable[None]]) -> None:
    async def named() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("the task")
        await function()

    failure = run_in_new_loop(named, asyncio.new_event_loop)
    if failure is not None:
        raise failure


def blocks_for_two_looks(looks: Looks) -> None:
    looks.look()
    looks.look()


async def a_turn() -> None:
    await asyncio.sleep(0)


def test_a_block_is_logged_with_its_task_and_stack_and_so_is_its_end(
    looks: Looks, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        with LoopWatch():
            blocks_for_two_looks(looks)
            await a_turn()
            looks.look()

    on_a_loop(work)

    block, end = caplog.messages
    assert block.startswith("the event loop is blocked by 'the task', which neither returns nor awaits:\n")
    assert "in blocks_for_two_looks\n    looks.look()" in block
    assert end == "the event loop turns again; it was blocked for about 0.4 s"
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_it_looks_often_enough_to_notice_a_block_within_a_second(looks: Looks) -> None:
    async def work() -> None:
        with LoopWatch():
            looks.look()

    on_a_loop(work)

    assert looks.asked_at == pytest.approx([100.4, 100.8])


def test_a_block_is_logged_once(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with LoopWatch():
            for _ in range(10):
                looks.look()

    on_a_loop(work)

    assert len(caplog.messages) == 1


def test_the_next_block_is_logged_again(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with LoopWatch():
            for _ in range(2):
                blocks_for_two_looks(looks)
                await a_turn()

    on_a_loop(work)

    assert [message.split(";")[0].split(" by")[0] for message in caplog.messages] == [
        "the event loop is blocked",
        "the event loop turns again",
        "the event loop is blocked",
    ]


def test_a_busy_loop_that_turns_is_not_blocked(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with LoopWatch():
            for _ in range(10):
                looks.look()
                await a_turn()

    on_a_loop(work)

    assert caplog.messages == []


def test_a_process_that_stood_still_has_no_blocked_loop(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with LoopWatch():
            looks.look()
            looks.look(after=3600)
            await a_turn()
            looks.look()

    on_a_loop(work)

    assert caplog.messages == []


def test_while_it_is_blocked_it_says_for_how_long(looks: Looks) -> None:
    seconds: list[float] = []

    async def work() -> None:
        with LoopWatch() as watch:
            seconds.append(watch.blocked_for())
            blocks_for_two_looks(looks)
            looks.look(after=7)
            seconds.append(watch.blocked_for())
            await a_turn()
            looks.look()
            seconds.append(watch.blocked_for())

    on_a_loop(work)

    assert seconds == pytest.approx([0, 7.4, 0])


def once_the_loop_waits(then: Callable[[], object]) -> None:
    """Call something in another thread when the loop of this one has nothing to do."""
    loop_thread = threading.get_ident()

    def work() -> None:
        eventually(lambda: _waits(frames_of_threads().get(loop_thread)), "the loop is never seen to wait")
        then()

    threading.Thread(target=work).start()


def test_a_loop_that_waits_is_left_alone(looks: Looks) -> None:
    asked: list[object] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        with LoopWatch():
            call, loop.call_soon_threadsafe = loop.call_soon_threadsafe, asked.append  # type: ignore[method-assign, assignment]
            done = asyncio.Event()
            once_the_loop_waits(in_turn(looks.look, looks.look, lambda: call(done.set)))
            await done.wait()

    on_a_loop(work)

    assert asked == []


def test_a_loop_that_is_written_in_c_and_waits_is_left_alone_too(looks: Looks) -> None:
    uvloop = pytest.importorskip("uvloop")
    asked: list[bool] = []

    async def work() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        with LoopWatch() as watch:
            look = in_turn(looks.look, lambda: asked.append(watch._is_asked))
            once_the_loop_waits(in_turn(look, lambda: loop.call_soon_threadsafe(done.set)))
            await done.wait()

    run_in_new_loop(work, uvloop.new_event_loop)

    assert asked == [False]


def test_a_select_of_the_users_own_is_a_block(looks: Looks, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        with LoopWatch(), selectors.SelectSelector() as selector:
            waits = threading.Timer(0.02, in_turn(looks.look, looks.look))
            waits.start()
            while waits.is_alive():
                selector.select(0.01)

    on_a_loop(work)

    assert len(caplog.messages) == 1


def test_while_the_loop_is_alive_that_is_told(looks: Looks) -> None:
    told: list[float] = []

    async def work() -> None:
        with LoopWatch(lambda: told.append(looks.now)):
            looks.look()
            await a_turn()
            looks.look()
            looks.look()
            looks.look()

    on_a_loop(work)

    assert told == pytest.approx([100.4, 100.8])


def test_after_its_block_it_looks_no_more(looks: Looks) -> None:
    async def work() -> None:
        with LoopWatch():
            pass
        looks.look()

    on_a_loop(work)

    assert len(looks.asked_at) == 1


def test_in_virtual_time_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_main, "LoopWatch", None)

    with VirtualClock():
        _main.main(lambda: None, signals=())
