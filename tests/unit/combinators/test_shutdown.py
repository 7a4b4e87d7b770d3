from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tasker import (
    Cancelled,
    Context,
    ShutdownTimeout,
    TaskLike,
    concurrence,
    current_context,
    ignore_error,
    run,
    sequence,
    to_task,
    with_shutdown,
)
from tasker._core import threads
from tasker._core.context import CancelContext
from tasker.combinators._budget import Budget
from tasker.combinators._shutdown import _UnlessEnded
from tasker.testing import VirtualClock
from tests._support.leftovers import nothing_left_behind
from tests._support.tasks import Boom, ended, fails, fails_async, noting, sleeping, sleeping_async, until_the_end

BACKGROUND = Context.background()


class Server:
    """Serves until it is shut down, like those of the standard library; it knows no context."""

    def __init__(self, seconds_to_stop: float = 0) -> None:
        self._seconds_to_stop = seconds_to_stop
        self._shutdown = BACKGROUND.with_cancel()
        self.log: list[str] = []
        self.stopping = BACKGROUND

    def serve(self) -> None:
        self.log.append("serving")
        self._shutdown.wait()
        BACKGROUND.sleep(self._seconds_to_stop)
        self.log.append("served")

    def shutdown(self, ctx: Context) -> None:
        self.log.append("shutdown")
        self.stopping = ctx
        self._shutdown.cancel()

    def fails_to_shut_down(self) -> None:
        self.log.append("shutdown")
        raise Boom


class AsyncServer(Server):
    async def serve(self) -> None:  # type: ignore[override]
        self.log.append("serving")
        await self._shutdown.wait_async()
        await BACKGROUND.wait_async(self._seconds_to_stop)
        self.log.append("served")

    async def shutdown(self, ctx: Context) -> None:  # type: ignore[override]
        self.log.append("shutdown")
        self.stopping = ctx
        self._shutdown.cancel()


SERVERS = pytest.mark.parametrize("server_kind", [Server, AsyncServer])


# --- the context ends ---


@SERVERS
def test_when_the_context_ends_start_is_left_alone_and_stop_is_called(
    server_kind: type[Server], clock: VirtualClock
) -> None:
    server = server_kind(seconds_to_stop=3)

    run(with_shutdown(server.serve, server.shutdown), BACKGROUND.with_timeout(60))

    assert (server.log, clock.elapsed) == (["serving", "shutdown", "served"], 63)


@SERVERS
def test_the_context_of_start_ends_only_after_the_grace(server_kind: type[Server], clock: VirtualClock) -> None:
    seen: list[float] = []

    def start(ctx: Context) -> None:
        ctx.wait()
        seen.append(clock.elapsed)

    run(with_shutdown(start, server_kind().shutdown, grace=7), BACKGROUND.with_timeout(60))

    assert seen == [67]


def test_both_contexts_keep_the_values(clock: VirtualClock) -> None:
    seen: list[object] = []

    def note(ctx: Context) -> None:
        seen.append((ctx.value("key"), current_context() is ctx))

    run(with_shutdown(note, note), BACKGROUND.with_value("key", "value"))

    assert seen == [("value", True), ("value", True)]


def test_the_context_of_stop_ends_after_the_grace(clock: VirtualClock) -> None:
    server = Server()

    run(with_shutdown(server.serve, server.shutdown, grace=7), BACKGROUND.with_timeout(60))

    assert server.stopping.remaining() == 7


def test_a_stop_that_ends_at_its_deadline_and_a_start_that_leaves_in_time_are_a_success(clock: VirtualClock) -> None:
    server = Server()

    def slow_stop(ctx: Context) -> None:
        ctx.wait()
        server.shutdown(ctx)

    run(with_shutdown(server.serve, slow_stop, grace=7), BACKGROUND.with_timeout(60))

    assert clock.elapsed == 67


def test_the_servers_of_the_standard_library_work_as_they_are() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        ctx = BACKGROUND.with_cancel()
        server.service_actions = ctx.cancel  # type: ignore[method-assign]
        run(with_shutdown(lambda: server.serve_forever(poll_interval=0.01), server.shutdown), ctx)


# --- start ends by itself ---


@pytest.mark.parametrize("start", [sleeping(5), sleeping_async(5), sequence(sleeping(5), sleeping_async(0))])
def test_when_start_returns_by_itself_stop_is_called_too(start: TaskLike, clock: VirtualClock) -> None:
    log: list[str] = []

    run(with_shutdown(start, noting(log, "stop")))

    assert (log, clock.elapsed) == (["stop"], 5)


@pytest.mark.parametrize("failing", [fails, fails_async])
def test_when_start_fails_its_error_is_raised_and_stop_is_not_called(failing: TaskLike) -> None:
    log: list[str] = []

    with pytest.raises(Boom):
        run(with_shutdown(failing, noting(log, "stop")))

    assert log == []


def test_an_exit_in_start_is_raised_bare() -> None:
    def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(with_shutdown(exits, until_the_end))


# --- stop fails ---


def test_when_stop_fails_start_is_cancelled_at_once_and_the_error_is_raised(clock: VirtualClock) -> None:
    server = Server()

    with pytest.raises(Boom):
        run(with_shutdown(until_the_end, server.fails_to_shut_down, grace=25), BACKGROUND.with_timeout(60))

    assert clock.elapsed == 60


def test_when_stop_fails_after_start_has_returned_its_error_is_raised() -> None:
    with pytest.raises(Boom):
        run(with_shutdown(lambda: None, fails))


def test_errors_of_both_come_back_in_a_group(clock: VirtualClock) -> None:
    def start(ctx: Context) -> None:
        ctx.wait()
        raise ValueError

    with pytest.raises(ExceptionGroup) as caught:
        run(with_shutdown(start, fails), BACKGROUND.with_timeout(60))

    assert [type(error) for error in caught.value.exceptions] == [ValueError, Boom]


def test_start_may_fail_while_stop_runs(clock: VirtualClock) -> None:
    server = Server()

    def start() -> None:
        server.serve()
        raise LookupError

    with pytest.raises(LookupError):
        run(with_shutdown(start, sequence(server.shutdown, sleeping(3))), BACKGROUND.with_timeout(60))

    assert clock.elapsed == 63


def test_an_exit_beside_another_error_is_raised_bare(clock: VirtualClock) -> None:
    def start(ctx: Context) -> None:
        ctx.wait()
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        run(with_shutdown(start, fails), BACKGROUND.with_timeout(60))

    assert isinstance(caught.value.__cause__, ExceptionGroup)


# --- the grace is over ---


def test_a_start_that_leaves_after_the_grace_returns_normally(clock: VirtualClock) -> None:
    run(with_shutdown(sleeping_async(3600), lambda: None, grace=7), BACKGROUND.with_timeout(60))

    assert clock.elapsed == 67


async def ignores_everything() -> None:
    while True:
        try:
            await BACKGROUND.wait_async(3600)
        except asyncio.CancelledError:
            continue


def test_an_async_start_that_does_not_leave_is_abandoned_and_named(clock: VirtualClock) -> None:
    with pytest.raises(ShutdownTimeout) as caught:
        run(with_shutdown(ignores_everything, lambda: None, grace=7), BACKGROUND.with_timeout(60))

    assert (caught.value.tasks, caught.value.grace) == (("ignores_everything",), 7)
    assert 68 <= clock.elapsed <= 69  # a second to leave, and a second at the end of the loop


def test_a_sync_start_that_does_not_leave_is_abandoned_and_named(clock: VirtualClock) -> None:
    release = BACKGROUND.with_cancel()

    def stuck() -> None:
        release.wait()

    with pytest.raises(ShutdownTimeout) as caught:
        run(with_shutdown(to_task(stuck, "stuck"), lambda: None, grace=7), BACKGROUND.with_timeout(60))
    release.cancel()

    assert (caught.value.tasks, clock.elapsed) == (("stuck",), 68)


def test_a_stop_that_does_not_leave_is_abandoned_and_named(clock: VirtualClock) -> None:
    with pytest.raises(ShutdownTimeout) as caught:
        run(with_shutdown(until_the_end, ignores_everything, grace=7), BACKGROUND.with_timeout(60))

    assert caught.value.tasks == ("ignores_everything",)


def test_both_are_named_if_neither_leaves(clock: VirtualClock) -> None:
    with pytest.raises(ShutdownTimeout) as caught:
        run(with_shutdown(ignores_everything, ignores_everything, grace=7), BACKGROUND.with_timeout(60))

    assert caught.value.tasks == ("ignores_everything", "ignores_everything")


def test_a_failure_of_stop_and_an_abandoned_start_come_back_in_a_group(clock: VirtualClock) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        run(with_shutdown(ignores_everything, fails), BACKGROUND.with_timeout(60))

    assert [type(error) for error in caught.value.exceptions] == [Boom, ShutdownTimeout]


def test_a_concurrence_around_an_abandoned_task_ends(clock: VirtualClock) -> None:
    task = concurrence(with_shutdown(ignores_everything, lambda: None, grace=7), until_the_end)

    with pytest.raises(ExceptionGroup):
        run(task, BACKGROUND.with_timeout(60))


def test_with_a_grace_of_zero_start_is_cancelled_at_once_and_stop_is_called_all_the_same(clock: VirtualClock) -> None:
    log: list[object] = []

    async def start() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            log.append(("start left", clock.elapsed))

    def stop(ctx: Context) -> None:
        log.append(("stop called", clock.elapsed, ctx.remaining()))

    run(with_shutdown(start, stop, grace=0), BACKGROUND.with_timeout(60))

    assert sorted(log, key=str) == [("start left", 60), ("stop called", 60, 1)]


@SERVERS
def test_with_a_grace_of_zero_a_server_that_only_its_stop_ends_stops(
    server_kind: type[Server], clock: VirtualClock
) -> None:
    server = server_kind()

    run(with_shutdown(server.serve, server.shutdown, grace=0), BACKGROUND.with_timeout(60))

    assert "shutdown" in server.log


def test_with_a_grace_of_zero_stop_has_a_second(clock: VirtualClock) -> None:
    run(with_shutdown(sleeping_async(3600), sleeping(3600), grace=0), BACKGROUND.with_timeout(60))

    assert clock.elapsed == 61


def test_a_start_that_leaves_only_when_it_is_cancelled_is_logged(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    run(with_shutdown(to_task(sleeping_async(3600), "serve"), lambda: None, grace=7), BACKGROUND.with_timeout(60))

    assert caplog.messages == ["'serve' did not return within 7 s of its stop; it left when it was canceled"]


@pytest.mark.parametrize(("stop", "grace"), [(lambda: None, 0), (ignore_error(fails), 7)])
def test_a_start_that_is_cancelled_at_once_as_asked_is_not_logged(
    stop: TaskLike, grace: float, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    start = sleeping_async(3) if grace else sleeping_async(3600)

    run(with_shutdown(start, stop, grace=grace), BACKGROUND.with_timeout(2))

    assert caplog.messages == []


# --- it ended before start began ---


@pytest.mark.parametrize("start", [until_the_end, fails_async])
def test_under_an_ended_context_nothing_is_called(start: TaskLike) -> None:
    log: list[str] = []

    run(with_shutdown(start, noting(log, "stop")), ended())

    assert log == []


def test_a_start_that_still_waits_for_its_thread_when_the_context_ends_is_not_called() -> None:
    log: list[str] = []
    ctx = BACKGROUND.with_cancel()
    task = _UnlessEnded(to_task(noting(log, "start")), ctx)
    ctx.cancel()

    with pytest.raises(BaseException, match="the context ended"):
        run(task)

    assert (log, task.has_begun) == ([], False)


def test_stop_is_not_called_if_start_never_began() -> None:
    log: list[str] = []
    ctx = BACKGROUND.with_cancel()
    hold = threading.Event()

    def blocks() -> None:
        hold.wait(5)

    async def end() -> None:
        ctx.cancel()
        hold.set()

    tasks = [with_shutdown(noting(log, "start"), noting(log, "stop")) for _ in range(100)]
    with suppress(Cancelled):  # unless every thread had begun
        run(concurrence(*[blocks] * 4, *tasks, end), ctx)

    assert log.count("start") == log.count("stop")


# --- native cancellation ---


@SERVERS
def test_a_cancellation_from_outside_stops_it_and_is_raised_again(
    server_kind: type[Server], clock: VirtualClock
) -> None:
    server = server_kind(seconds_to_stop=3)

    async def work() -> None:
        running = asyncio.ensure_future(with_shutdown(server.serve, server.shutdown)())
        await asyncio.sleep(60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(work)

    assert (server.log, clock.elapsed) == (["serving", "shutdown", "served"], 63)


@pytest.mark.parametrize("ticks", range(8))
def test_all_asyncio_tasks_of_the_loop_cancelled_at_any_tick_stop_it(ticks: int) -> None:
    server = Server()

    async def work() -> None:
        running = asyncio.ensure_future(concurrence(with_shutdown(server.serve, server.shutdown))())
        for _ in range(ticks):
            await asyncio.sleep(0)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        async with asyncio.timeout(10):
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(work())

    assert server.log in ([], ["serving", "shutdown", "served"])


def test_a_start_that_waits_for_its_thread_is_not_called_after_a_cancellation_of_its_own_asyncio_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []
    jobs: list[Callable[[], object]] = []
    monkeypatch.setattr(threads, "submit", jobs.append)

    async def work() -> None:
        running = asyncio.ensure_future(concurrence(with_shutdown(noting(log, "start"), noting(log, "stop")))())
        while not jobs:  # noqa: ASYNC110 - turns of the loop are what it takes
            await asyncio.sleep(0)
        next(each for each in asyncio.all_tasks() if each.get_name() == "with_shutdown").cancel()
        await asyncio.sleep(0)
        await asyncio.to_thread(jobs[0])
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(work())

    assert log == []


def test_nothing_is_left_behind_after_many_stops() -> None:
    async def work() -> None:
        servers = [AsyncServer() for _ in range(50)]

        async def ends_what_serves() -> None:
            while not all(server.log for server in servers):  # noqa: ASYNC110 - a turn or two
                await asyncio.sleep(0)
            ctx.cancel()

        with BACKGROUND.with_cancel() as ctx:
            tasks = [with_shutdown(server.serve, server.shutdown) for server in servers]
            await concurrence(*tasks, ends_what_serves)(ctx)

    with nothing_left_behind(BACKGROUND):
        asyncio.run(work())


# --- inside the budget of main ---


def under_budget(grace: float) -> tuple[CancelContext, Budget]:
    """Return a context that begins the budget when it ends, as under `main`."""
    budget = Budget(grace)
    ctx = budget.under(BACKGROUND).with_cancel()
    ctx._attach(budget.begin)
    return ctx, budget


def test_inside_a_budget_the_grace_is_the_smaller_of_both_less_a_tenth(clock: VirtualClock) -> None:
    ctx, budget = under_budget(10)
    server = Server()
    clock.call_at(60, ctx.cancel)

    run(with_shutdown(server.serve, server.shutdown, grace=25), ctx)
    budget.close()

    assert server.stopping.remaining() == pytest.approx(9)


def test_inside_a_budget_a_smaller_grace_stays(clock: VirtualClock) -> None:
    ctx, budget = under_budget(10)
    server = Server()
    clock.call_at(60, ctx.cancel)

    run(with_shutdown(server.serve, server.shutdown, grace=2), ctx)
    budget.close()

    assert server.stopping.remaining() == 2


def test_inside_a_budget_a_cancelled_start_has_the_rest_of_it_to_leave(clock: VirtualClock) -> None:
    ctx, budget = under_budget(10)
    clock.call_at(60, ctx.cancel)

    async def leaves_late() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(7.5)

    run(with_shutdown(leaves_late, lambda: None, grace=2), ctx)
    budget.close()

    assert clock.elapsed == 69.5


# --- arguments ---


@pytest.mark.parametrize(
    ("grace", "error"), [(-1, ValueError), (float("inf"), ValueError), (True, TypeError), ("25 s", TypeError)]
)
def test_a_bad_grace_is_refused_when_it_is_built(grace: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^grace: expected a"):
        with_shutdown(lambda: None, lambda: None, grace=grace)


def test_a_timeout_survives_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(ShutdownTimeout(("a", "b"), 25)))

    assert (str(error), error.tasks) == ("still running 25 s after being asked to stop: 'a', 'b'", ("a", "b"))
