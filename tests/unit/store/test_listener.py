"""Who listens to the bell of a store, in virtual time: on lines that break, and on lines that say nothing."""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from tasker._core.waiting import Bell, Gate
from tasker.errors import StoreUnavailable, TaskerError
from tasker.store import _listener
from tasker.store._listener import Line, Listener
from tasker.testing import VirtualClock
from tests._support.virtual_time import clock

__all__ = ["clock"]


class FakeLine:
    """A line on which a test rings; it is its own handle too."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.refuses = refuses
        self.breaks = False
        self.is_closed = False
        self.handle = cast("socket.socket", self)
        self._bell = Bell()

    def subscribe(self) -> None:
        if self.refuses is not None:
            raise self.refuses

    def hear(self) -> bool:
        self._bell.wait(None)
        if self.breaks:
            raise StoreUnavailable("gone")
        return True

    def ring(self) -> None:
        self._bell.ring()

    def end(self) -> None:
        self.breaks = True
        self._bell.ring()

    def shutdown(self, _: int) -> None:
        self.end()

    def close(self) -> None:
        self.is_closed = True


class Exchange:
    """Gives lines, and notes when it was asked for them and when the bell was heard."""

    def __init__(self, clock: VirtualClock) -> None:
        self.lines: list[FakeLine] = []
        self.asked: list[float] = []
        self.heard: list[float] = []
        self.next: Callable[[], FakeLine] = FakeLine
        self.clock = clock

    def connect(self) -> Line:
        self.asked.append(round(self.clock.elapsed, 3))
        line = self.next()
        self.lines.append(line)
        return line

    def note(self) -> None:
        self.heard.append(round(self.clock.elapsed, 3))


@pytest.fixture
def exchange(clock: VirtualClock) -> Exchange:
    return Exchange(clock)


@pytest.fixture
def listener(exchange: Exchange) -> Listener:
    return Listener(exchange.connect, "the bell")


@pytest.fixture(autouse=True)
def _without_jitter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(random, "uniform", lambda _, highest: highest)
    yield
    assert not any(thread.name == "tasker-listener" for thread in threading.enumerate())


def wait(seconds: float) -> None:
    Gate().wait(seconds)


def raising(error: Exception) -> Callable[[], FakeLine]:
    def connect() -> FakeLine:
        raise error

    return connect


def test_it_looks_once_at_first_and_then_at_each_ring(exchange: Exchange, listener: Listener) -> None:
    stop = listener.listen(exchange.note)
    for _ in range(2):
        wait(1)
        exchange.lines[0].ring()
    wait(1)
    stop()
    assert exchange.heard == [0, 1, 2]
    assert exchange.lines[0].is_closed


def test_many_rings_at_once_are_few(exchange: Exchange, listener: Listener) -> None:
    stop = listener.listen(exchange.note)
    wait(1)
    for _ in range(100):
        exchange.lines[0].ring()
        wait(0.001)
    wait(1)
    stop()
    assert exchange.heard == [0, 1, 1.05, 1.1]


def test_a_line_that_breaks_is_replaced_at_growing_distances(exchange: Exchange, listener: Listener) -> None:
    stop = listener.listen(exchange.note)
    wait(1)
    exchange.next = raising(StoreUnavailable("refused"))
    exchange.lines[0].end()
    wait(20)
    assert exchange.asked == [0, 1.1, 1.3, 1.7, 2.5, 4.1, 7.3, 12.3, 17.3]
    exchange.next = FakeLine
    wait(2)
    exchange.lines[1].end()
    wait(1)
    stop()
    assert exchange.asked[9:] == [22.3, 23.1]
    assert exchange.heard == [0, 22.3, 23.1]
    assert [line.is_closed for line in exchange.lines] == [True] * 3


@pytest.mark.parametrize("error", [StoreUnavailable("later"), OSError("broken"), ValueError("secret")])
def test_what_may_pass_is_no_news(
    exchange: Exchange, listener: Listener, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    exchange.next = raising(error)
    with caplog.at_level(logging.DEBUG, "tasker"):
        stop = listener.listen(exchange.note)
        wait(1)
        stop()
    assert len(exchange.asked) == 4
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert "secret" not in caplog.text
    wait(10)


def test_what_never_works_is_said_once_and_left_alone(
    exchange: Exchange, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.next = lambda: FakeLine(refuses=TaskerError("a proxy"))
    stop = listener.listen(exchange.note)
    wait(100)
    stop()
    assert exchange.asked == [0]
    assert exchange.lines[0].is_closed
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "nothing can be heard from the bell, so what other instances change is seen within a second and not at once:"
        " a proxy"
    )


def test_a_refusal_after_it_has_worked_may_pass(
    exchange: Exchange, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    stop = listener.listen(exchange.note)
    wait(1)
    exchange.next = lambda: FakeLine(refuses=TaskerError("another password"))
    exchange.lines[0].end()
    wait(1)
    exchange.next = FakeLine
    wait(2)
    stop()
    assert exchange.heard == [0, 2.5]
    assert caplog.records == []


def test_the_last_listener_ends_it_and_the_next_one_begins_anew(exchange: Exchange, listener: Listener) -> None:
    seen: list[str] = []
    first = listener.listen(lambda: seen.append("first"))
    wait(1)
    second = listener.listen(lambda: seen.append("second"))
    exchange.lines[0].ring()
    wait(1)
    first()
    exchange.lines[0].ring()
    wait(1)
    second()
    first()
    assert seen == ["first", "first", "second", "second"]
    assert exchange.lines[0].is_closed
    stop = listener.listen(exchange.note)
    wait(1)
    stop()
    assert exchange.asked == [0, 3]


def test_a_line_that_comes_after_the_end_is_closed(exchange: Exchange, listener: Listener) -> None:
    late = FakeLine()

    def connect() -> FakeLine:
        wait(5)
        return late

    exchange.next = connect
    stop = listener.listen(exchange.note)
    wait(1)
    stop()
    assert exchange.clock.elapsed == 1
    is_closed_yet = late.is_closed
    wait(5)
    assert (is_closed_yet, late.is_closed) == (False, True)
    assert exchange.heard == []


def test_in_a_forked_child_the_line_is_left_to_the_parent(exchange: Exchange, listener: Listener) -> None:
    stop = listener.listen(exchange.note)
    wait(1)
    listener.leave_to_parent()
    stop()
    assert not exchange.lines[0].is_closed
    again = listener.listen(exchange.note)
    wait(1)
    again()
    assert [line.is_closed for line in exchange.lines] == [False, True]
    _listener._of_parent.pop().end()  # as the parent does
