from __future__ import annotations

import asyncio
import decimal
import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Optional, Union

import pytest

import tasker
from tasker import Context, run, to_task, with_timeout
from tasker._core.callables import call_of, name_of

CTX = Context.background()


class Recorder:
    """Notes what it was called with."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def method(self, ctx: Context) -> None:
        self.got.append(ctx)

    async def async_method(self, ctx: Context) -> None:
        self.got.append(ctx)

    def without_context(self) -> None:
        self.got.append("nothing")


class Callme(Recorder):
    def __call__(self, ctx: Context) -> None:
        self.got.append(ctx)


class CallmeAsync(Recorder):
    async def __call__(self, ctx: Context) -> None:
        self.got.append(ctx)


class Runner(Recorder):
    def run(self, ctx: Context) -> None:
        self.got.append(ctx)


class AsyncRunner(Recorder):
    async def run(self, ctx: Context) -> None:
        self.got.append(ctx)


class PlainRunner(Recorder):
    def run(self) -> None:
        self.got.append("nothing")


@pytest.mark.parametrize("kind", [Callme, CallmeAsync, Runner, AsyncRunner])
def test_objects_that_can_be_called_or_run_are_given_the_context(kind: type[Recorder]) -> None:
    task = kind()

    run(task)  # type: ignore[arg-type]

    assert isinstance(task.got[0], Context)


def test_a_bound_method_is_a_task() -> None:
    recorder = Recorder()

    run(recorder.method)

    assert isinstance(recorder.got[0], Context)


def test_a_bound_async_method_is_a_task() -> None:
    recorder = Recorder()

    run(recorder.async_method)

    assert isinstance(recorder.got[0], Context)


def test_a_bound_method_without_parameters_is_called_with_nothing() -> None:
    recorder = Recorder()

    run(recorder.without_context)

    assert recorder.got == ["nothing"]


def test_a_run_method_without_parameters_is_called_with_nothing() -> None:
    task = PlainRunner()

    run(task)

    assert task.got == ["nothing"]


def test_a_partial_of_an_async_function_is_async() -> None:
    async def work(a: int, ctx: Context) -> None: ...

    assert call_of(functools.partial(work, 1)).is_async


def test_an_object_with_an_async_call_is_async() -> None:
    assert call_of(CallmeAsync()).is_async


def required(anything: object) -> None: ...
def named_ctx_with_default(a: int = 1, ctx: object = None) -> None: ...
def keyword_only_ctx(*, ctx: object) -> None: ...
def keyword_only_ctx_with_default(*, ctx: object = None) -> None: ...
def annotated(a: int = 1, context: Context = CTX) -> None: ...
def annotated_or_none(a: int = 1, context: Context | None = None) -> None: ...
def annotated_optional(a: int = 1, context: Optional[Context] = None) -> None: ...  # noqa: UP045 - an old spelling
def annotated_union(a: int = 1, context: Union[Context, None] = None) -> None: ...  # noqa: UP007 - an old spelling
def positional_only(ctx: Context, /) -> None: ...
def required_beside_defaults(ctx: Context, a: int = 1, *, b: int = 2) -> None: ...
def no_parameter() -> None: ...
def only_defaults(poll_interval: float = 0.5) -> None: ...
def only_stars(*args: Any, **kwargs: Any) -> None: ...
def another_context(context: decimal.Context | None = None) -> None: ...


def in_quotes(a: int = 1, context: "Missing.Context" = CTX) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037
def in_quotes_or_none(a: int = 1, context: "typing.Optional[Missing.Context]" = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037
def in_quotes_another(a: int = 1, context: "Missing.Contextual" = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


@pytest.mark.parametrize(
    ("function", "keyword"),
    [
        (required, ""),
        (named_ctx_with_default, "ctx"),
        (keyword_only_ctx, "ctx"),
        (keyword_only_ctx_with_default, "ctx"),
        (annotated, "context"),
        (annotated_or_none, "context"),
        (annotated_optional, "context"),
        (annotated_union, "context"),
        (in_quotes, "context"),
        (in_quotes_or_none, "context"),
        (positional_only, ""),
        (required_beside_defaults, ""),
        (no_parameter, None),
        (only_defaults, None),
        (only_stars, None),
        (another_context, None),
        (in_quotes_another, None),
        (functools.partial(required, 1), None),
        (functools.partial(named_ctx_with_default, 5), ""),
        (functools.partial(named_ctx_with_default, a=5), "ctx"),
    ],
    ids=lambda given: name_of(given) if callable(given) else repr(given),
)
def test_the_context_goes_to_the_parameter_that_asks_for_it(function: Callable[..., Any], keyword: str | None) -> None:
    assert call_of(function).keyword == keyword


def test_a_function_without_a_readable_signature_is_called_with_nothing() -> None:
    assert call_of({}.update).keyword is None


def test_a_context_passed_by_keyword_arrives() -> None:
    got: list[object] = []

    def work(a: int = 1, *, ctx: Context) -> None:
        got.append((a, ctx.value("key")))

    run(work, CTX.with_value("key", "value"))

    assert got == [(1, "value")]


def test_a_task_stays_itself() -> None:
    task = to_task(no_parameter)

    assert to_task(task) is task


def generator(ctx: Context) -> Iterator[None]:
    yield


async def async_generator(ctx: Context) -> AsyncIterator[None]:
    yield


class GeneratorRunner:
    def run(self, ctx: Context) -> Iterator[None]:
        yield


class GeneratorCallme:
    def __call__(self, ctx: Context) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (42, "expected a task (a function, something callable, or an object with a run method), got 42"),
        (None, "or an object with a run method), got None"),
        (Callme, "expected a task, got the class Callme; pass an instance or a function"),
        (generator, "expected a task, got the generator function generator; a task returns, it yields nothing"),
        (async_generator, "expected a task, got the generator function async_generator"),
        (functools.partial(generator), "expected a task, got the generator function generator"),
        (GeneratorRunner(), "expected a task, got the generator function GeneratorRunner.run"),
        (GeneratorCallme(), "expected a task, got the generator function GeneratorCallme"),
        (lambda a, b: None, "expected a function of one argument, the context, or of none; it requires a, b;"),
        (lambda *, a: None, "requires the keyword a; bind it with functools.partial"),
        (with_timeout(5), "expected a task, got the decorator <decorator with_timeout(5)>; give it a task"),
    ],
)
def test_what_cannot_be_a_task_is_refused_when_it_is_built(given: object, message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        to_task(given)  # type: ignore[arg-type]


def test_a_coroutine_object_is_refused_and_closed() -> None:
    async def work() -> None: ...

    coroutine = work()

    with pytest.raises(TypeError, match="which has been called already; pass the function itself"):
        to_task(coroutine)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.send(None)


def test_a_future_is_refused() -> None:
    async def work() -> None:
        with pytest.raises(TypeError, match="which has been called already"):
            to_task(asyncio.get_running_loop().create_future())  # type: ignore[arg-type]

    asyncio.run(work())


@pytest.mark.parametrize(
    "build",
    [
        tasker.sequence,
        tasker.concurrence,
        lambda bad: tasker.with_repeat(tasker.schedule.Interval(seconds=1), bad),
        lambda bad: tasker.with_timeout(1, bad),
        lambda bad: tasker.with_shutdown(bad, no_parameter),
        lambda bad: tasker.with_shutdown(no_parameter, bad),
        tasker.with_signal_notify,
        lambda bad: tasker.on_error(bad, print),
        tasker.ignore_error,
        tasker.main,
        tasker.run,
    ],
)
def test_every_combinator_refuses_what_cannot_be_a_task(build: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="expected a task"):
        build(42)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (no_parameter, "no_parameter"),
        (Recorder().method, "Recorder.method"),
        (functools.partial(functools.partial(required, 1)), "required"),
        (Callme(), "Callme"),
        (Runner(), "Runner"),
        (print, "print"),
        (test_a_task_stays_itself, "test_a_task_stays_itself"),
    ],
)
def test_a_task_is_named_for_what_it_calls(given: object, name: str) -> None:
    assert name_of(given) == name


def test_a_local_function_is_named_without_where_it_was_defined() -> None:
    def work() -> None: ...

    assert name_of(work) == "work"


def test_a_name_can_be_given() -> None:
    assert to_task(no_parameter, "heartbeat").name == "heartbeat"


def test_naming_a_task_leaves_the_task_as_it_was() -> None:
    task = to_task(no_parameter)

    renamed = to_task(task, "heartbeat")

    assert (task.name, renamed.name) == ("no_parameter", "heartbeat")


def test_a_name_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="name: expected a string or None, got 5"):
        to_task(no_parameter, 5)  # type: ignore[arg-type]
