from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tasker._core import clock as clocks
from tasker._core.clock import SystemClock
from tests._support.leftovers import eventually
from tests._support.tasks import Boom, in_turn


@pytest.fixture
def system() -> Iterator[SystemClock]:
    """A clock of the test's own, whose thread ends with the process."""
    system = SystemClock()
    yield system
    for _, _, timer in list(system._heap):
        timer.cancel()


def test_no_thread_runs_before_it_is_needed() -> None:
    assert SystemClock()._thread is None


def test_its_thread_is_a_daemon_with_a_name(system: SystemClock) -> None:
    system.listen()

    thread = system._thread
    assert thread is not None
    assert (thread.daemon, thread.name) == (True, "tasker-clock")


def test_a_thread_that_the_system_refuses_is_started_by_the_next_timer(
    system: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    log: list[str] = []
    called = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            system.call_at(0, lambda: log.append("refused"))

    system.call_at(system.monotonic(), called.set)

    assert called.wait(5)
    assert log == []


def test_a_timer_is_called_on_the_clock_thread(system: SystemClock) -> None:
    called = threading.Event()
    names: list[str] = []

    system.call_at(system.monotonic(), in_turn(lambda: names.append(threading.current_thread().name), called.set))

    assert called.wait(5)
    assert names == ["tasker-clock"]


def test_a_timer_is_not_called_before_its_time(system: SystemClock) -> None:
    called = threading.Event()
    at: list[float] = []
    when = system.monotonic() + 0.02

    system.call_at(when, in_turn(lambda: at.append(system.monotonic()), called.set))

    assert called.wait(5)
    assert at[0] >= when


def test_timers_are_called_in_the_order_of_their_times(system: SystemClock) -> None:
    called = threading.Event()
    log: list[str] = []

    def begin() -> None:
        # On the clock thread, which calls nothing else meanwhile.
        now = system.monotonic()
        system.call_at(now + 0.02, called.set)
        system.call_at(now + 0.01, lambda: log.append("second"))
        system.call_at(now + 0.01, lambda: log.append("third"))
        system.call_at(now, lambda: log.append("first"))

    system.call_at(system.monotonic(), begin)

    assert called.wait(5)
    assert log == ["first", "second", "third"]


def test_an_earlier_timer_wakes_the_thread_that_waits_for_a_later_one(system: SystemClock) -> None:
    called = threading.Event()
    system.call_at(system.monotonic() + 3600, lambda: None)

    system.call_at(system.monotonic(), called.set)

    assert called.wait(5)


def test_a_cancelled_timer_is_not_called(system: SystemClock) -> None:
    last = threading.Event()
    calls: list[int] = []

    def begin() -> None:
        # On the clock thread, which calls nothing else meanwhile.
        now = system.monotonic()
        timer = system.call_at(now, lambda: calls.append(1))
        system.call_at(now + 0.001, last.set)
        timer.cancel()
        timer.cancel()

    system.call_at(system.monotonic(), begin)

    assert last.wait(5)
    assert calls == []


def test_cancelled_timers_do_not_stay_in_the_heap(system: SystemClock) -> None:
    for _ in range(5_000):
        system.call_at(system.monotonic() + 3600, lambda: None).cancel()

    assert len(system._heap) <= 2 * SystemClock._FEW


def test_living_timers_survive_the_clearing_of_the_heap(system: SystemClock) -> None:
    called = threading.Event()
    system.call_at(system.monotonic() + 0.02, called.set)

    for _ in range(1_000):
        system.call_at(system.monotonic() + 3600, lambda: None).cancel()

    assert called.wait(5)


def test_a_failing_timer_is_logged_and_the_next_one_is_called(
    system: SystemClock, caplog: pytest.LogCaptureFixture
) -> None:
    called = threading.Event()

    def fail() -> None:
        raise Boom

    system.call_at(system.monotonic(), fail)
    system.call_at(system.monotonic(), called.set)

    assert called.wait(5)
    assert caplog.records[0].message == "a timer of tasker's failed"


def test_ten_thousand_timers_need_one_thread(system: SystemClock) -> None:
    left = 10_000
    called = threading.Event()

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            called.set()

    before = threading.active_count()
    when = system.monotonic() + 0.01
    for _ in range(10_000):
        system.call_at(when, count)

    assert called.wait(10)
    assert threading.active_count() <= before + 1


def test_a_number_in_the_pipe_is_handed_over_on_the_clock_thread(system: SystemClock) -> None:
    heard: list[tuple[int, str]] = []
    system.on_signal = lambda number: heard.append((number, threading.current_thread().name))

    os.write(system.listen(), bytes([signal.SIGTERM]))
    eventually(lambda: bool(heard), "nothing was heard")

    assert heard == [(signal.SIGTERM, "tasker-clock")]


def test_a_pipe_full_of_wake_ups_is_no_error(system: SystemClock) -> None:
    writer = system.listen()
    with system._lock:  # the clock thread reads the pipe, then needs the lock
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"\0" * 65536)
        system._wake()


def test_an_idle_clock_does_not_spin(system: SystemClock) -> None:
    system.call_at(system.monotonic() + 3600, lambda: None)
    thread = system._thread
    assert thread is not None
    turns = 0
    original = system._milliseconds_until_next

    def counting() -> int | None:
        nonlocal turns
        turns += 1
        return original()

    system._milliseconds_until_next = counting  # type: ignore[method-assign]
    system._wake()
    eventually(lambda: turns > 0, "the thread did not wake up")
    time.sleep(0.02)

    assert turns <= 2


def test_boottime_never_goes_back(system: SystemClock) -> None:
    assert system.boottime() <= system.boottime()


def test_without_a_clock_that_counts_suspend_boottime_is_the_monotonic_clock(
    system: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "_clock_that_counts_suspend", None)

    before = time.monotonic()

    assert before <= system.boottime() <= time.monotonic()


def test_the_current_clock_is_the_systems() -> None:
    assert clocks.current() is clocks.system()
