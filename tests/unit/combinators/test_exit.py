from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from tasker._core import children
from tasker._core import clock as clocks
from tasker.combinators import _exit
from tasker.combinators._exit import exit_now, report_and_exit
from tasker.combinators._stacks import RunningTask
from tests._support.tasks import Boom

RUNNING = [RunningTask("one", "  where one is"), RunningTask("two", "  where two is")]


class Exits:
    """Stands in for the end of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statuses: list[int] = []
        self.threads: list[str] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []
        self.happened = threading.Event()
        monkeypatch.setattr(os, "_exit", self._exit)
        monkeypatch.setattr(clocks.system(), "monotonic", lambda: 100.0)
        monkeypatch.setattr(clocks.system(), "call_at", lambda *timer: self.timers.append(timer))

    def _exit(self, status: int) -> None:
        self.statuses.append(status)
        self.threads.append(threading.current_thread().name)
        self.happened.set()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exits]:
    exits = Exits(monkeypatch)
    yield exits
    assert exits.happened.wait(5)


def test_the_report_names_each_task_how_long_it_was_asked_and_where_it_is(
    exits: Exits, caplog: pytest.LogCaptureFixture
) -> None:
    report_and_exit(lambda: RUNNING, 25, 24.96)
    exits.happened.wait(5)

    assert caplog.messages == [
        "ShutdownTimeout: still running 25 s after being asked to stop: 'one', 'two'",
        "'one' is still running 25.0 s after it was asked to stop:\n  where one is",
        "'two' is still running 25.0 s after it was asked to stop:\n  where two is",
    ]
    assert {record.levelname for record in caplog.records} == {"CRITICAL"}


def test_it_takes_a_thread_of_its_own_and_ends_with_status_1(exits: Exits) -> None:
    report_and_exit(list, 25, 25)
    exits.happened.wait(5)

    assert (exits.statuses, exits.threads) == ([1], ["tasker-exit"])


def test_a_report_that_blocks_gets_one_second(exits: Exits) -> None:
    report_and_exit(list, 25, 25)

    assert exits.timers == [(101.0, _exit._exit)]


def test_a_report_that_fails_ends_the_process_too(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail() -> list[RunningTask]:
        raise Boom

    report_and_exit(fail, 25, 25)
    exits.happened.wait(5)

    assert exits.statuses == [1]


def test_the_report_flushes_what_logging_keeps(exits: Exits) -> None:
    class Handler(logging.Handler):
        is_flushed = False

        def emit(self, record: logging.LogRecord) -> None: ...

        def flush(self) -> None:
            self.is_flushed = True

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        report_and_exit(list, 25, 25)
        exits.happened.wait(5)
    finally:
        logging.getLogger().removeHandler(handler)

    assert handler.is_flushed


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("no_threads")
def test_without_a_thread_for_the_report_it_is_written_directly_and_the_process_ends(
    exits: Exits, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(_exit, "_STDERR", writer)

    report_and_exit(lambda: RUNNING, 25, 25)
    os.close(writer)
    with os.fdopen(reader) as written:
        text = written.read()

    assert exits.statuses == [1]
    assert text.splitlines() == [
        "ShutdownTimeout: still running 25 s after being asked to stop: 'one', 'two'",
        "'one' is still running 25.0 s after it was asked to stop:",
        "  where one is",
        "'two' is still running 25.0 s after it was asked to stop:",
        "  where two is",
    ]


@pytest.mark.usefixtures("no_threads")
def test_without_a_thread_a_full_pipe_does_not_block_the_end(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, b"x")
    os.set_blocking(writer, True)
    monkeypatch.setattr(_exit, "_STDERR", writer)

    report_and_exit(lambda: RUNNING, 25, 25)
    os.close(reader)
    os.close(writer)

    assert exits.statuses == [1]


def test_processes_that_were_started_are_killed_first(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(children, "kill_all", lambda: order.append("killed"))
    monkeypatch.setattr(exits, "_exit", lambda status: order.append("never"))

    exit_now(143)

    assert (order, exits.statuses) == (["killed"], [143])
