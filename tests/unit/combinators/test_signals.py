from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tasker import Cancelled, Context, background, concurrence, run, with_shutdown, with_signal_notify
from tasker._core import clock, waiting
from tasker.combinators import _signals
from tasker.combinators._signals import _FROM_PYTHON, _Listener, _Registry, listening, reason_of, signals_of
from tests._support.leftovers import eventually
from tests._support.tasks import Boom, ended, until_the_end, until_the_end_async

# Nobody else uses these two in a test run.
ONE, OTHER = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture(autouse=True)
def handlers_come_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, ONE, OTHER)}
    wakeup = signal.set_wakeup_fd(-1)
    yield
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.set_wakeup_fd(wakeup) == -1


def raising(number: int) -> Any:
    async def work() -> None:
        await asyncio.sleep(0)
        signal.raise_signal(number)

    return work


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async, concurrence(until_the_end, until_the_end_async)])
def test_a_signal_ends_the_context_and_that_is_no_error(task: Any) -> None:
    run(with_signal_notify(concurrence(task, raising(ONE)), ONE))


def test_the_cause_names_the_signal() -> None:
    causes: list[str] = []

    def work(ctx: Context) -> None:
        ctx.wait()
        causes.append(str(ctx.cause))

    run(with_signal_notify(concurrence(work, raising(ONE)), ONE))

    assert causes in ([], ["received SIGUSR1"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_signals_it_listens_to_sigint_and_sigterm(number: int) -> None:
    run(with_signal_notify(concurrence(until_the_end_async, raising(number))))


def test_the_wake_up_descriptor_of_the_loop_is_lent_to_the_clock_meanwhile() -> None:
    def now() -> int:
        descriptor = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(descriptor)
        return descriptor

    async def program() -> None:
        of_the_loop = now()
        async with background(with_signal_notify(until_the_end_async, ONE)):
            await asyncio.sleep(0.01)
            of_the_clock = now()
        seen.extend([of_the_loop, of_the_clock, now()])

    seen: list[int] = []
    run(program)

    of_the_loop, of_the_clock, again = seen
    assert of_the_loop == again != -1
    assert of_the_clock not in (of_the_loop, -1)


def test_a_signal_is_heard_while_the_loop_is_blocked() -> None:
    causes: list[str] = []

    async def blocks(ctx: Context) -> None:
        signal.raise_signal(ONE)
        eventually(lambda: ctx.done, "the signal was not heard")
        causes.append(str(ctx.cause))

    run(with_signal_notify(blocks, ONE))

    assert causes == ["received SIGUSR1"]


def test_a_signal_is_heard_while_the_main_thread_waits_for_a_lock() -> None:
    def sends_one(ctx: Context) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, ONE)
        ctx.wait()

    run(with_signal_notify(sends_one, ONE))


def test_a_failure_while_stopping_is_raised() -> None:
    async def fails_at_the_end(ctx: Context) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise Boom

    with pytest.raises(ExceptionGroup):
        run(with_signal_notify(concurrence(fails_at_the_end, raising(ONE)), ONE))


def test_a_signal_reaches_every_listener() -> None:
    run(
        concurrence(
            with_signal_notify(until_the_end_async, ONE),
            with_signal_notify(until_the_end, ONE, OTHER),
            raising(ONE),
        )
    )


def test_a_signal_that_nobody_else_listens_to_ends_only_its_own() -> None:
    log: list[str] = []

    async def work(ctx: Context) -> None:
        await asyncio.sleep(0)
        signal.raise_signal(ONE)
        await ctx.wait_async(0.02)
        log.append("other ends by itself")

    async def first(ctx: Context) -> None:
        await ctx.wait_async()

    run(concurrence(with_signal_notify(first, ONE), with_signal_notify(work, OTHER)))

    assert log == ["other ends by itself"]


def test_a_nested_listener_leaves_the_handler_to_the_outer_one() -> None:
    async def work() -> None:
        await with_signal_notify(lambda: None, ONE)()
        signal.raise_signal(ONE)
        await asyncio.sleep(3600)

    run(with_signal_notify(work, ONE))


def test_the_previous_handler_comes_back() -> None:
    heard: list[int] = []
    before = signal.signal(ONE, lambda number, _: heard.append(number))
    try:
        run(with_signal_notify(lambda: None, ONE))
        signal.raise_signal(ONE)
    finally:
        signal.signal(ONE, before)

    assert heard == [ONE]


def test_a_handler_that_was_installed_in_between_stays() -> None:
    before = signal.getsignal(ONE)

    async def work() -> None:
        signal.signal(ONE, signal.SIG_IGN)

    try:
        run(with_signal_notify(work, ONE))
        after = signal.getsignal(ONE)
    finally:
        signal.signal(ONE, before)

    assert after is signal.SIG_IGN


def test_a_wake_up_descriptor_of_others_is_left_alone() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    seen: list[int] = []

    async def work() -> None:
        seen.append(signal.set_wakeup_fd(writer))
        signal.raise_signal(ONE)
        await asyncio.sleep(3600)

    try:
        run(with_signal_notify(work, ONE))
    finally:
        seen.append(signal.set_wakeup_fd(-1))
        os.close(reader)
        os.close(writer)

    assert seen == [writer, writer]


def test_a_wake_up_descriptor_that_others_take_meanwhile_stays_theirs() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    async def work() -> None:
        signal.set_wakeup_fd(writer)

    try:
        run(with_signal_notify(work, ONE))
    finally:
        after = signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)

    assert after == writer


def test_off_the_main_thread_it_is_a_runtime_error() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(with_signal_notify(until_the_end))
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert str(errors[0]).startswith("signals can be heard in the main thread only")


def test_no_signals_install_nothing() -> None:
    with listening((), _unexpected):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _unexpected(number: int) -> None:
    raise AssertionError(f"heard {number}")


def test_under_an_ended_context_it_returns() -> None:
    run(with_signal_notify(until_the_end, ONE), ended())


def test_a_cancelled_that_comes_from_nowhere_is_a_failure() -> None:
    async def work() -> None:
        raise Cancelled

    with pytest.raises(RuntimeError):
        run(with_signal_notify(work, ONE))


def test_a_signal_stops_a_server() -> None:
    stop = threading.Event()

    def serve() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, ONE)
        stop.wait(5)

    run(with_signal_notify(with_shutdown(serve, stop.set), ONE))

    assert stop.is_set()


# --- the second signal ---


class Heard:
    def __init__(self) -> None:
        self.first: list[int] = []
        self.again: list[int] = []

    def listener(self) -> _Listener:
        return _Listener(frozenset({ONE, OTHER}), self.first.append, self.again.append)


def test_a_second_signal_is_told_apart_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    listener = heard.listener()
    now = 100.0
    monkeypatch.setattr(clock.system(), "monotonic", lambda: now)

    listener.hear(ONE)
    now = 100.051
    listener.hear(OTHER)

    assert (heard.first, heard.again) == ([ONE], [OTHER])


def test_a_second_signal_within_fifty_milliseconds_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    listener = heard.listener()
    now = 100.0
    monkeypatch.setattr(clock.system(), "monotonic", lambda: now)

    listener.hear(ONE)
    now = 100.049
    listener.hear(ONE)

    assert (heard.first, heard.again) == ([ONE], [])


def test_a_listener_without_a_second_callback_ignores_later_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    listener = _Listener(frozenset({ONE}), heard.append, None)
    now = 100.0
    monkeypatch.setattr(clock.system(), "monotonic", lambda: now)

    listener.hear(ONE)
    now = 200.0
    listener.hear(ONE)

    assert heard == [ONE]


# --- what comes through the pipe ---


class Counting(_Listener):
    def __init__(self) -> None:
        super().__init__(frozenset({ONE}), self._note, None)
        self.count = 0

    def _note(self, number: int) -> None:
        self.count += 1

    def hear(self, number: int) -> None:
        self.count += 1


@pytest.mark.parametrize(
    ("received", "delivered"),
    [
        ([ONE], 1),
        ([ONE | _FROM_PYTHON], 1),
        ([ONE, ONE | _FROM_PYTHON], 1),
        ([ONE | _FROM_PYTHON, ONE], 1),
        ([ONE, ONE, ONE | _FROM_PYTHON], 2),  # C code merged two
        ([ONE, ONE | _FROM_PYTHON, ONE, ONE | _FROM_PYTHON], 2),
        ([ONE, ONE, ONE | _FROM_PYTHON, _FROM_PYTHON, ONE | _FROM_PYTHON], 3),  # afresh: no byte is owed any more
        ([OTHER, OTHER | _FROM_PYTHON], 0),
    ],
)
def test_each_signal_is_delivered_once_by_whichever_way_it_came_first(received: list[int], delivered: int) -> None:
    registry = _Registry()
    listener = Counting()
    registry._listeners.append(listener)

    for byte in received:
        registry._receive(byte)

    assert listener.count == delivered


def test_a_full_pipe_does_not_block_the_handler() -> None:
    registry = _Registry()
    reader, registry._pipe = os.pipe()
    os.set_blocking(registry._pipe, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(registry._pipe, b"\0" * 65536)

    registry._handle(ONE, None)

    os.close(reader)
    os.close(registry._pipe)


def test_two_signals_while_c_code_lets_no_handler_run_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_signals, "_THE_SAME_WITHIN", -1.0)
    again = threading.Event()
    handled: list[object] = []
    monkeypatch.setattr(waiting, "let_others_run", lambda *_: handled.append("by Python"))
    raise_in_c = getattr(ctypes.PyDLL(None), "raise")

    with listening((ONE,), lambda _: None, lambda _: again.set()):
        deque(map(raise_in_c, [ONE, ONE]), maxlen=0)
        assert again.wait(5)

    assert handled == ["by Python"]  # which has merged them


def test_a_handler_that_interrupts_itself_does_not_wait_again(monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[int] = []
    depth = 0

    def flooded(is_enough: object, seconds: float) -> None:
        nonlocal depth
        depth += 1
        depths.append(depth)
        signal.raise_signal(ONE)  # as many as come in the meantime
        depth -= 1

    monkeypatch.setattr(waiting, "let_others_run", flooded)
    with listening((ONE,), lambda number: None):
        signal.raise_signal(ONE)
        signal.raise_signal(ONE)

    assert depths == [1, 1]


def test_a_forked_child_has_the_handlers_that_were_there_before() -> None:
    registry = _signals._registry
    try:
        with listening((ONE,), _unexpected):
            _signals._start_afresh_in_child()
            assert signal.getsignal(ONE) is signal.SIG_DFL
            assert signal.set_wakeup_fd(-1) == -1
            _signals._registry = registry  # so that the block finds its listener again
    finally:
        _signals._registry = registry


def test_listening_many_times_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(200):
        with listening((ONE, OTHER), _unexpected):
            pass

    assert (_signals._registry._listeners, _signals._registry._previous) == ([], {})


# --- arguments ---


@pytest.mark.parametrize("given", ["SIGINT", 2.0, True, None])
def test_what_is_no_signal_is_refused_when_it_is_built(given: Any) -> None:
    with pytest.raises(TypeError, match=r"signals: expected members of signal.Signals, got"):
        with_signal_notify(until_the_end, given)


@pytest.mark.parametrize("given", [signal.SIGKILL, signal.SIGSTOP, 0, -1, 9999])
def test_a_signal_that_cannot_be_handled_is_refused_when_it_is_built(given: int) -> None:
    with pytest.raises(ValueError, match=r"^signals: expected some that a program can handle, as signal\.SIGTERM, got"):
        with_signal_notify(until_the_end, given)


def test_signals_may_be_plain_numbers() -> None:
    assert signals_of((int(ONE), OTHER)) == (int(ONE), int(OTHER))


def test_the_reason_names_the_signal() -> None:
    assert str(reason_of(signal.SIGTERM)) == "received SIGTERM"


def test_an_idle_listener_costs_no_time() -> None:
    with listening((ONE,), _unexpected):
        before = time.thread_time()
    assert time.thread_time() - before < 1
