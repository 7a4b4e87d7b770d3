from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tasker import (
    Cancelled,
    Context,
    TaskLike,
    concurrence,
    current_context,
    ignore_error,
    on_error,
    run,
    sequence,
    with_timeout,
)
from tasker._core import threads
from tasker.combinators._failures import matches
from tasker.testing import VirtualClock
from tests._support.tasks import Boom, ended, fails, fails_async, until_the_end, until_the_end_async

FAILING = [fails, fails_async, sequence(fails), sequence(fails_async)]


# --- on_error ---


@pytest.mark.parametrize("failing", FAILING)
def test_the_handler_gets_the_error_and_swallows_it_by_returning(failing: TaskLike) -> None:
    seen: list[BaseException] = []

    run(on_error(failing, seen.append))

    assert [type(error) for error in seen] == [Boom]


@pytest.mark.parametrize("failing", FAILING)
def test_an_async_handler_is_awaited(failing: TaskLike) -> None:
    seen: list[BaseException] = []

    async def handler(error: Exception) -> None:
        await asyncio.sleep(0)
        seen.append(error)

    run(on_error(failing, handler))

    assert [type(error) for error in seen] == [Boom]


def test_the_handler_is_not_called_without_an_error() -> None:
    seen: list[BaseException] = []

    run(on_error(lambda: None, seen.append))

    assert seen == []


def test_the_handler_may_raise_the_same_error_again() -> None:
    def handler(error: Exception) -> None:
        raise error

    with pytest.raises(Boom):
        run(on_error(fails, handler))


def test_the_handler_may_raise_another_error_that_remembers_the_first() -> None:
    def handler(error: Exception) -> None:
        raise ValueError("worse")

    with pytest.raises(ValueError, match="worse") as caught:
        run(on_error(fails, handler))

    assert isinstance(caught.value.__context__, Boom)


def test_the_handler_gets_the_context_if_it_wants_it() -> None:
    seen: list[object] = []
    ctx = Context.background().with_value("key", "value")

    def handler(error: Exception, ctx: Context) -> None:
        seen.append((ctx.value("key"), current_context() is ctx))

    run(on_error(fails, handler), ctx)

    assert seen == [("value", True)]


def test_a_sync_handler_of_an_async_task_runs_in_a_worker_thread() -> None:
    seen: list[str] = []

    run(on_error(fails_async, lambda error: seen.append(threading.current_thread().name)))

    assert seen == ["tasker-worker"]


def test_the_handler_gets_a_group_as_it_is() -> None:
    seen: list[BaseException] = []

    run(on_error(concurrence(fails, fails_async), seen.append))

    assert isinstance(seen[0], ExceptionGroup)


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async])
def test_the_handler_never_sees_a_cancellation(task: TaskLike) -> None:
    seen: list[BaseException] = []

    with pytest.raises(Cancelled):
        run(on_error(task, seen.append), ended())

    assert seen == []


def test_the_handler_never_sees_an_exit() -> None:
    seen: list[BaseException] = []

    def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(on_error(exits, seen.append))

    assert seen == []


def test_the_handler_of_an_error_after_the_end_runs_under_a_context_that_has_not_ended() -> None:
    ctx = Context.background().with_value("key", "value").with_cancel()
    seen: list[object] = []

    def fails_at_the_end() -> None:
        ctx.cancel()
        raise Boom

    def handler(error: Exception, ctx: Context) -> None:
        seen.append((ctx.done, ctx.value("key")))

    run(on_error(fails_at_the_end, handler), ctx)

    assert seen == [(False, "value")]


def takes_ten_seconds(error: Exception, ctx: Context) -> None:
    ctx.sleep(10)


async def takes_ten_seconds_async(error: Exception) -> None:
    await asyncio.sleep(10)


@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize("handler", [takes_ten_seconds, takes_ten_seconds_async])
def test_what_a_handler_has_not_swallowed_when_the_context_ends_is_raised(
    failing: TaskLike, handler: Callable[..., Any], clock: VirtualClock
) -> None:
    with pytest.raises(Boom) as caught:
        run(with_timeout(2, on_error(failing, handler)))

    assert clock.elapsed == 2
    assert caught.value.__notes__ == [f"the handler of 'on_error {handler.__name__}' was canceled"]


def test_a_handler_may_swallow_the_error_although_the_context_ends_meanwhile(clock: VirtualClock) -> None:
    async def handler(error: Exception) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)

    with Context.background().with_timeout(2) as ctx:
        run(on_error(fails, handler), ctx)

    assert clock.elapsed == 3


def test_a_cancellation_from_outside_loses_no_error_whose_handler_is_at_work(clock: VirtualClock) -> None:
    async def program() -> None:
        async with asyncio.timeout(2):
            await on_error(fails, takes_ten_seconds_async)()

    with pytest.raises(Boom):
        run(program)


@pytest.mark.parametrize("turns", range(12))
def test_the_handler_runs_in_whatever_moment_the_context_ends(turns: int) -> None:
    seen: list[BaseException] = []
    ctx = Context.background().with_cancel()

    async def ends() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        ctx.cancel()

    async def fails_while_another_ends() -> None:
        ending.append(asyncio.ensure_future(ends()))
        raise Boom

    async def handler(error: Exception) -> None:
        seen.append(error)

    ending: list[asyncio.Future[None]] = []
    run(on_error(fails_while_another_ends, handler), ctx)

    assert [type(error) for error in seen] == [Boom]


def test_a_handler_that_waits_for_its_thread_when_the_context_ends_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    ctx = Context.background().with_cancel()
    submit = threads.submit

    def submit_late(job: Callable[[], object]) -> None:
        ctx.cancel()
        submit(job)

    def handler(error: Exception, ctx: Context) -> None:
        seen.append(ctx.done)

    monkeypatch.setattr(threads, "submit", submit_late)
    run(on_error(fails_async, handler), ctx)

    assert seen == [False]


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_all_there_is_on_the_loop_loses_no_error(turns: int) -> None:
    async def cancels_all() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()

    async def fails_while_another_cancels() -> None:
        cancelling.append(asyncio.ensure_future(cancels_all()))
        raise Boom

    async def handler(error: Exception) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append(error)

    async def program() -> None:
        try:
            await on_error(fails_while_another_cancels, handler)()
        except Boom as error:
            seen.append(error)
        except asyncio.CancelledError:
            pass

    seen: list[BaseException] = []
    cancelling: list[asyncio.Future[None]] = []
    asyncio.run(program())

    assert [type(error) for error in seen] == [Boom]


def no_argument() -> None: ...
def three_arguments(a: int, b: int, c: int) -> None: ...


@pytest.mark.parametrize("task", [fails, fails_async])
@pytest.mark.parametrize("handler", [no_argument, three_arguments, 5, None])
def test_a_handler_that_cannot_be_called_with_an_error_is_refused_when_it_is_built(
    handler: Any, task: TaskLike
) -> None:
    with pytest.raises(TypeError, match="expected"):
        on_error(task, handler)


def test_a_handler_without_a_parameter_is_told_how_it_is_called() -> None:
    with pytest.raises(TypeError, match=r"^handler: expected handler\(error\) or handler\(error, ctx\), which"):
        on_error(fails, no_argument)


@pytest.mark.parametrize("handler", [print, [].append, lambda *args: None, lambda error, ctx=None: None])
def test_anything_that_can_be_called_with_an_error_is_a_handler(handler: Callable[..., Any]) -> None:
    run(on_error(fails, handler))


# --- ignore_error ---


@pytest.mark.parametrize("failing", FAILING)
def test_an_ignored_error_is_a_success(failing: TaskLike) -> None:
    run(ignore_error(failing, Boom))


def test_without_types_every_exception_is_ignored() -> None:
    run(ignore_error(fails))


def test_an_error_of_another_type_is_raised() -> None:
    with pytest.raises(Boom):
        run(ignore_error(fails, ValueError, OSError))


def test_a_group_passes_if_every_error_in_it_is_ignored() -> None:
    run(ignore_error(concurrence(fails, concurrence(fails_async)), Boom))


def test_a_group_with_another_error_in_it_is_raised_whole() -> None:
    def other() -> None:
        raise ValueError

    group = ExceptionGroup("", [Boom(), ValueError()])

    def raises() -> None:
        raise group

    with pytest.raises(ExceptionGroup) as caught:
        run(ignore_error(raises, Boom))

    assert caught.value is group


def test_a_cancellation_is_not_ignored() -> None:
    with pytest.raises(Cancelled):
        run(ignore_error(until_the_end), ended())


def test_an_exit_is_not_ignored() -> None:
    async def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run(ignore_error(exits))


@pytest.mark.parametrize(
    "given", [5, "ValueError", ValueError(), Cancelled, BaseException, asyncio.CancelledError, int]
)
def test_what_is_no_class_of_exceptions_is_refused_when_it_is_built(given: Any) -> None:
    with pytest.raises(TypeError, match="types: expected classes derived from Exception, got"):
        ignore_error(fails, given)


@pytest.mark.parametrize(
    ("error", "types", "answer"),
    [
        (Boom(), (Boom,), True),
        (Boom(), (ValueError, Exception), True),
        (Boom(), (ValueError,), False),
        (ExceptionGroup("", [Boom(), Boom()]), (Boom,), True),
        (ExceptionGroup("", [Boom(), ValueError()]), (Boom, ValueError), True),
        (ExceptionGroup("", [Boom(), ExceptionGroup("", [ValueError()])]), (Boom,), False),
        (ExceptionGroup("", [ValueError()]), (ExceptionGroup,), True),
        (ExceptionGroup("", [Boom(), ExceptionGroup("", [ValueError()])]), (Boom, ExceptionGroup), True),
        (BaseExceptionGroup("", [SystemExit()]), (Exception,), False),
    ],
)
def test_a_group_matches_if_every_failure_in_it_does(
    error: BaseException, types: tuple[type[BaseException], ...], answer: bool
) -> None:
    assert matches(error, types) is answer
