"""`main` inside the process of the tests; what ends the process is tested with real ones."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tasker import Context, current_context, main, schedule, sequence, with_repeat, with_shutdown
from tasker._core.context import Scope
from tasker.combinators import _exit, _main, _signals
from tasker.combinators._budget import Budget
from tasker.combinators._lifecycle import Lifecycle, lifecycle_of
from tasker.combinators._main import _Program
from tasker.testing import VirtualClock
from tests._support.leftovers import nothing_left_behind, timers
from tests._support.tasks import Boom, ended, fails, fails_async, in_turn, until_the_end, until_the_end_async

ONE = signal.SIGUSR1


@pytest.fixture(autouse=True)
def handlers_come_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, ONE)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


def raising(number: int) -> Any:
    async def work() -> None:
        await asyncio.sleep(0)
        signal.raise_signal(number)

    return work


def test_it_returns_when_all_tasks_are_done() -> None:
    log: list[str] = []

    main(lambda: log.append("sync"), sequence(lambda: log.append("sequence")))

    assert sorted(log) == ["sequence", "sync"]


def test_without_tasks_it_returns() -> None:
    main()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: int) -> None:
    main(until_the_end, until_the_end_async, with_repeat(schedule.Interval(seconds=60), lambda: None), raising(number))


def test_the_contexts_end_only_when_the_note_of_the_signal_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    ended_now = threading.Event()

    class Note(threading.Thread):
        def start(self) -> None:
            if self.name == "tasker-log":
                ended_now.wait(0.05)  # what may not happen before has its chance
                log.append("note")
            super().start()

    def work(ctx: Context) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        ctx.wait()
        log.append("ended")
        ended_now.set()

    monkeypatch.setattr(threading, "Thread", Note)
    main(work)

    assert log == ["note", "ended"]


def test_other_signals_may_be_chosen() -> None:
    main(until_the_end_async, raising(ONE), signals=[ONE])


def test_without_signals_none_is_listened_to() -> None:
    handlers: list[object] = []

    main(lambda: handlers.append(signal.getsignal(signal.SIGTERM)), signals=())

    assert handlers == [signal.SIG_DFL]


def test_the_signal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    main(until_the_end_async, raising(signal.SIGTERM))

    assert caplog.messages == ["received SIGTERM, stopping"]


@pytest.mark.parametrize("failing", [fails, fails_async])
def test_a_failure_ends_the_others_and_is_raised_in_a_group(failing: Any) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        main(failing, until_the_end, until_the_end_async)

    assert [type(error) for error in caught.value.exceptions] == [Boom]


def test_a_failure_is_logged_when_it_happens_and_not_when_it_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    logged: list[bool] = []

    async def looks(ctx: Context) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            logged.append(bool(caplog.records))

    with pytest.raises(ExceptionGroup):
        main(looks, fails_async)

    assert logged == [True]


def test_a_failure_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ExceptionGroup):
        main(fails_async)

    record = caplog.records[0]
    assert (record.message, record.levelname) == ("'fails_async' failed", "ERROR")
    assert record.exc_info is not None
    assert record.exc_info[0] is Boom


def test_a_failure_after_the_signal_is_raised() -> None:
    async def fails_while_stopping() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise Boom

    with pytest.raises(ExceptionGroup):
        main(fails_while_stopping, raising(signal.SIGTERM))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_is_raised_bare_and_not_logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def exits() -> None:
        raise error

    with pytest.raises(type(error)):
        main(exits, until_the_end)

    assert caplog.records == []


def test_a_cancelled_that_a_task_makes_up_is_a_failure() -> None:
    from tasker import Cancelled

    def work() -> None:
        raise Cancelled

    with pytest.raises(ExceptionGroup):
        main(work)


def test_tasks_run_under_a_context_of_their_own() -> None:
    seen: list[bool] = []

    main(lambda ctx: seen.append(ctx is current_context() and ctx is not Context.background()))

    assert seen == [True]


def test_the_loop_factory_makes_the_loop() -> None:
    class Loop(asyncio.SelectorEventLoop):
        pass

    seen: list[type] = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()))

    main(work, loop_factory=Loop)

    assert seen == [Loop]


def test_nothing_is_left_behind() -> None:
    main()  # after it, there is a timer for the exit, and only one for however many
    with nothing_left_behind():
        main(until_the_end, until_the_end_async, raising(signal.SIGTERM))


# --- the second signal ---


def test_the_second_signal_ends_the_process_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_signals, "_THE_SAME_WITHIN", 0.0)
    statuses: list[int] = []
    exited = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: in_turn(lambda: statuses.append(status), exited.set)())
    first = threading.Event()

    async def blocks(ctx: Context) -> None:
        ctx.on_done(first.set)
        signal.raise_signal(signal.SIGTERM)
        assert first.wait(5)
        signal.raise_signal(signal.SIGINT)
        assert exited.wait(5)

    main(blocks)

    assert statuses == [130]


# --- the drain delay ---


def test_during_the_drain_delay_the_tasks_go_on_and_the_program_is_not_ready(clock: VirtualClock) -> None:
    seen: list[object] = []

    def work(ctx: Context) -> None:
        lifecycle = lifecycle_of(ctx)
        assert lifecycle is not None
        lifecycle.on_stopping(lambda: seen.append((clock.elapsed, ctx.done)))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        ctx.wait()
        seen.append((clock.elapsed, lifecycle.stopping))

    main(work, drain_delay=7)

    assert seen == [(0, False), (7, "received SIGTERM")]


def test_the_drain_delay_comes_before_the_grace(clock: VirtualClock) -> None:
    remaining: list[float] = []

    def serve(ctx: Context) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        ctx.wait()

    main(with_shutdown(serve, lambda ctx: remaining.append(ctx.remaining())), grace=10, drain_delay=7)

    assert remaining == [pytest.approx(9)]


@pytest.mark.parametrize("ends", [fails, lambda: None])
def test_a_failure_and_the_end_of_the_last_task_do_not_wait_for_it(ends: Any, clock: VirtualClock) -> None:
    with suppress(ExceptionGroup):
        main(ends, drain_delay=3600)

    assert clock.elapsed == 0


def test_a_failure_during_the_drain_delay_ends_it(clock: VirtualClock) -> None:
    def fails_later(ctx: Context) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        while lifecycle_of(ctx).stopping is None:  # type: ignore[union-attr]
            time.sleep(0.001)
        raise Boom

    with pytest.raises(ExceptionGroup):
        main(fails_later, until_the_end, drain_delay=3600)

    assert clock.elapsed == 0


def test_the_drain_delay_is_logged(caplog: pytest.LogCaptureFixture, clock: VirtualClock) -> None:
    caplog.set_level(logging.INFO)

    def work(ctx: Context) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        ctx.wait()

    main(work, drain_delay=7)

    assert caplog.messages == ["received SIGTERM, stopping in 7 s"]


# --- the budget ---


class Exits:
    """Stands in for the end of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statuses: list[int] = []
        self.happened = threading.Event()
        monkeypatch.setattr(os, "_exit", self._exit)
        # Or it would come a second later, when the end of the process is the real one again.
        monkeypatch.setattr(_exit, "_FOR_THE_REPORT", 1e9)

    def _exit(self, status: int) -> None:
        self.statuses.append(status)
        self.happened.set()


def test_when_the_budget_is_over_the_process_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exits = Exits(monkeypatch)

    def never_stops() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        assert exits.happened.wait(5)

    main(never_stops, grace=0.01)

    assert exits.statuses[0] == 1
    assert any("still running 0.01 s after being asked to stop" in message for message in caplog.messages)


def test_a_failure_starts_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    exits = Exits(monkeypatch)

    begun = threading.Event()

    def never_stops() -> None:
        begun.set()
        assert exits.happened.wait(5)

    def fails_later() -> None:
        assert begun.wait(5)
        raise Boom

    with pytest.raises(ExceptionGroup):
        main(never_stops, fails_later, grace=0.01)

    assert exits.statuses[0] == 1


def test_the_end_of_the_last_task_starts_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    exits = Exits(monkeypatch)

    left_behind: list[asyncio.Future[bool]] = []

    async def leaves_a_thread_behind() -> None:
        # The end of the loop waits for it.
        left_behind.append(asyncio.get_running_loop().run_in_executor(None, exits.happened.wait, 5))

    main(leaves_a_thread_behind, grace=0.01)

    assert exits.statuses[0] == 1


def test_a_signal_that_comes_before_anything_has_begun_starts_the_budget(clock: VirtualClock) -> None:
    budget = Budget(10)

    with Scope(ended()) as scope:
        asyncio.run(_Program([], budget, Lifecycle([]), None)._body(scope.ctx))
    clock.advance(4)
    rest = budget.rest()
    budget.close()

    assert rest == 6


def test_a_stop_in_time_leaves_only_the_timer_for_the_exit() -> None:
    main(lambda: None)
    before = timers()

    main(until_the_end, raising(signal.SIGTERM), grace=3600)

    assert timers() == before


def test_a_server_gets_its_share_of_the_budget() -> None:
    remaining: list[float] = []
    served = threading.Event()

    def stop(ctx: Context) -> None:
        remaining.append(ctx.remaining())
        served.set()

    def serve() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        served.wait(5)

    main(with_shutdown(serve, stop, grace=25), grace=10)

    assert 8 < remaining[0] <= 9


# --- where it cannot run ---


def test_a_child_that_only_imports_the_program_does_not_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)

    with pytest.raises(RuntimeError, match="__name__ == '__main__'"):
        main(lambda: log.append("ran"))

    assert log == []


def test_off_the_main_thread_it_is_a_runtime_error() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            main(lambda: None)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert str(errors[0]).startswith("signals can be heard in the main thread only")


def test_off_the_main_thread_without_signals_it_works() -> None:
    log: list[str] = []

    thread = threading.Thread(target=lambda: main(lambda: log.append("ran"), signals=()))
    thread.start()
    thread.join()

    assert log == ["ran"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"grace": -1}, ValueError),
        ({"grace": "25 s"}, TypeError),
        ({"drain_delay": -1}, ValueError),
        ({"drain_delay": None}, TypeError),
        ({"signals": ["SIGINT"]}, TypeError),
        ({"signals": signal.SIGINT}, TypeError),
        ({"signals": [signal.SIGKILL]}, ValueError),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        main(lambda: None, **arguments)


def test_nothing_runs_if_an_argument_is_bad() -> None:
    log: list[str] = []

    with pytest.raises(TypeError):
        main(lambda: log.append("ran"), 42)  # type: ignore[arg-type]

    assert log == []


def test_an_exit_status_is_what_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)

    _main._exit_at_once(signal.SIGTERM)

    assert statuses == [143]
