from __future__ import annotations

import threading

import pytest

from tasker._core import waiting
from tasker._core.waiting import Bell, Gate
from tasker.testing import VirtualClock


def test_an_open_gate_lets_who_comes_later_through() -> None:
    gate = Gate()

    gate.open()

    assert gate.wait(0) is True


def test_a_gate_opens_for_a_thread_that_waits() -> None:
    gate = Gate()
    threading.Thread(target=gate.open).start()

    assert gate.wait(5) is True


def test_a_closed_gate_holds_until_the_timeout() -> None:
    assert Gate().wait(0) is False


def test_opening_a_gate_twice_is_the_same_as_once() -> None:
    gate = Gate()

    gate.open()
    gate.open()

    assert gate.wait(0) is True


def test_a_gate_opened_by_many_threads_in_the_same_moment_is_open() -> None:
    for _ in range(50):
        gate = Gate()
        start = threading.Barrier(4)

        def opening(gate: Gate = gate, start: threading.Barrier = start) -> None:
            start.wait()
            gate.open()

        threads = [threading.Thread(target=opening) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert gate.wait(5)
        for thread in threads:
            thread.join()


def test_two_openings_that_overtake_each_other_do_no_harm() -> None:
    gate = Gate()
    gate.open()
    gate.is_open = False  # as the second of two threads saw it

    gate.open()

    assert gate.wait(0)


def test_waiting_while_something_lives_ends_with_the_opening() -> None:
    gate = Gate()
    gate.open()

    assert gate.wait_while(lambda: True) is True


def test_waiting_while_something_lives_ends_with_its_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOK_EVERY", 0.001)

    assert Gate().wait_while(lambda: False) is False


def test_a_gate_waits_in_virtual_time(clock: VirtualClock) -> None:
    assert (Gate().wait(3600), clock.elapsed) == (False, 3600)


def test_a_bell_wakes_who_waits_next() -> None:
    bell = Bell()

    bell.ring()

    assert bell.wait(0) is True


def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    threading.Thread(target=bell.ring).start()

    assert bell.wait(5) is True


def test_a_bell_that_rang_twice_wakes_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()

    assert (bell.wait(0), bell.wait(0)) == (True, False)


def test_a_bell_can_be_waited_for_again_and_again(clock: VirtualClock) -> None:
    bell = Bell()

    answers = [bell.wait(5)]
    bell.ring()
    answers += [bell.wait(5), bell.wait(5)]

    assert (answers, clock.elapsed) == ([False, True, False], 10)


def test_no_ring_is_lost() -> None:
    bell = Bell()
    rung = threading.Semaphore(0)

    def ring() -> None:
        for _ in range(200):
            rung.acquire()
            bell.ring()

    ringing = threading.Thread(target=ring)
    ringing.start()
    heard = 0
    for _ in range(200):
        rung.release()
        heard += bell.wait(5)
    ringing.join()

    assert heard == 200
