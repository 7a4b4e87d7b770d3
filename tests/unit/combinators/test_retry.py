from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tasker
from tasker import (
    Backoff,
    Cancelled,
    Context,
    DeadlineExceeded,
    LeaseLost,
    Retry,
    TaskLike,
    concurrence,
    run,
    schedule,
    to_task,
    with_repeat,
    with_retry,
    with_timeout,
)
from tasker._core.context import DerivedContext
from tasker.combinators._retry import retrying
from tasker.testing import VirtualClock
from tests._support.leftovers import hooks, nothing_left_behind
from tests._support.tasks import Boom, ended, noting, until_the_end, until_the_end_async

BACKGROUND = Context.background()
STEADY = Backoff(initial=10, factor=1, jitter=0)
NEVER_READY = Backoff(initial=3600, maximum=3600, jitter=0)


class Flaky:
    """Fails some times, and then succeeds; notes when it is run."""

    def __init__(self, clock: VirtualClock, *errors: BaseException | type[BaseException], takes: float = 0) -> None:
        self._clock = clock
        self._errors: Iterator[Any] = iter(errors)
        self._takes = takes
        self.runs: list[float] = []

    def sync(self, ctx: Context) -> None:
        self.runs.append(self._clock.elapsed)
        BACKGROUND.sleep(self._takes)
        self._fail()

    async def asynchronous(self, ctx: Context) -> None:
        self.runs.append(self._clock.elapsed)
        await asyncio.sleep(self._takes)
        self._fail()

    def _fail(self) -> None:
        if (error := next(self._errors, None)) is not None:
            raise error


KINDS = pytest.mark.parametrize("kind", ["sync", "asynchronous"])


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


# --- it is run again ---


@KINDS
def test_a_task_that_fails_is_run_again_until_it_succeeds(kind: str, clock: VirtualClock) -> None:
    flaky = Flaky(clock, Boom, Boom)

    run(with_retry(getattr(flaky, kind), backoff=STEADY))

    assert flaky.runs == [0, 10, 20]


@KINDS
def test_a_task_that_succeeds_is_run_once(kind: str, clock: VirtualClock) -> None:
    flaky = Flaky(clock)

    run(with_retry(getattr(flaky, kind), backoff=STEADY))

    assert flaky.runs == [0]


@KINDS
def test_after_the_attempts_the_last_error_is_raised_and_their_number_noted(kind: str, clock: VirtualClock) -> None:
    last = Boom("last")
    flaky = Flaky(clock, Boom("first"), Boom("second"), last)

    with pytest.raises(Boom) as caught:
        run(with_retry(getattr(flaky, kind), attempts=3, backoff=STEADY))

    assert caught.value is last
    assert notes_of(last) == [f"with_retry: 'Flaky.{kind}' was given up after 3 runs"]
    assert (len(flaky.runs), clock.elapsed) == (3, 20)


def test_there_are_five_attempts_if_nothing_else_is_said(clock: VirtualClock) -> None:
    flaky = Flaky(clock, *[Boom] * 10)

    with pytest.raises(Boom):
        run(with_retry(flaky.sync))

    assert len(flaky.runs) == 5


def test_the_waits_grow(clock: VirtualClock) -> None:
    flaky = Flaky(clock, *[Boom] * 4)

    run(with_retry(flaky.sync, backoff=Backoff(initial=1, maximum=4, jitter=0)))

    assert flaky.runs == [0, 1, 3, 7, 11]


def test_a_wait_counts_from_the_end_of_a_run(clock: VirtualClock) -> None:
    flaky = Flaky(clock, Boom, takes=7)

    run(with_retry(flaky.asynchronous, backoff=STEADY))

    assert flaky.runs == [0, 17]


def test_whole_trees_are_run_again(clock: VirtualClock) -> None:
    first, second = Flaky(clock), Flaky(clock, Boom)

    run(with_retry(tasker.sequence(first.sync, second.asynchronous), backoff=STEADY))

    assert (first.runs, second.runs) == ([0, 10], [0, 10])


def test_a_run_that_takes_too_long_is_run_again(clock: VirtualClock) -> None:
    runs: list[float] = []

    async def slow_at_first() -> None:
        runs.append(clock.elapsed)
        await asyncio.sleep(3600 if len(runs) < 3 else 1)

    run(with_retry(with_timeout(5, slow_at_first), backoff=STEADY))

    assert runs == [0, 15, 30]


# --- supervision ---


def test_what_fails_now_and_then_lives_for_ever(clock: VirtualClock) -> None:
    # Ten times more failures than attempts, but never so many within the window.
    flaky = Flaky(clock, *[Boom] * 50, takes=30)

    run(with_retry(flaky.asynchronous, attempts=5, within=100, backoff=STEADY))

    assert len(flaky.runs) == 51


def test_what_fails_all_the_time_is_given_up(clock: VirtualClock) -> None:
    flaky = Flaky(clock, *[Boom] * 50)

    with pytest.raises(Boom) as caught:
        run(with_retry(flaky.sync, attempts=5, within=100, backoff=STEADY))

    assert notes_of(caught.value) == [
        "with_retry: 'Flaky.sync' was given up after 5 runs: 5 failed within 100 s",
    ]
    assert flaky.runs == [0, 10, 20, 30, 40]


def test_a_healthy_time_begins_the_count_anew(clock: VirtualClock) -> None:
    runs: list[float] = []

    async def fails_after_an_hour_every_third_time() -> None:
        runs.append(clock.elapsed)
        if len(runs) % 3 == 0:
            await asyncio.sleep(3600)
        if len(runs) < 30:
            raise Boom

    run(with_retry(fails_after_an_hour_every_third_time, attempts=4, backoff=Backoff(jitter=0, reset_after=600)))

    assert len(runs) == 30
    # After a healthy hour, the first wait is the shortest again.
    assert runs[3] - runs[2] == pytest.approx(3600.1)


def test_it_goes_on_without_limit_if_that_is_asked_for(clock: VirtualClock) -> None:
    flaky = Flaky(clock, *[Boom] * 300)

    run(with_retry(flaky.sync, attempts=None, backoff=Backoff(maximum=60, jitter=0)))

    assert len(flaky.runs) == 301
    assert flaky.runs[-1] - flaky.runs[-2] == 60


def test_a_task_that_returns_is_done_and_not_started_again(clock: VirtualClock) -> None:
    # thejerf/suture#24: "done, do not restart me".
    flaky = Flaky(clock)

    run(with_retry(flaky.sync, attempts=5, within=3600))

    assert len(flaky.runs) == 1


def test_what_is_given_up_ends_the_others_and_is_raised(clock: VirtualClock) -> None:
    # Erlang's rule; a supervisor that pauses for ever hides what a platform could restart.
    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(with_retry(Flaky(clock, *[Boom] * 9).sync, attempts=3, within=60), until_the_end_async))

    assert [type(error) for error in caught.value.exceptions] == [Boom]


def test_those_that_fail_together_are_not_run_again_together(clock: VirtualClock) -> None:
    random.seed(2026)
    tasks = [Flaky(clock, Boom) for _ in range(200)]

    run(concurrence(*[with_retry(each.asynchronous, backoff=Backoff(initial=10)) for each in tasks]))
    seconds = Counter(int(each.runs[1]) for each in tasks)

    assert set(seconds) == set(range(10))
    assert max(seconds.values()) < 40


# --- which errors ---


@KINDS
@pytest.mark.parametrize(
    "on",
    [ValueError, (ValueError, OSError), lambda error: isinstance(error, ValueError)],
    ids=["type", "tuple", "call"],
)
def test_an_error_that_is_not_meant_is_raised_at_once(kind: str, on: Any, clock: VirtualClock) -> None:
    flaky = Flaky(clock, ValueError, Boom)

    with pytest.raises(Boom) as caught:
        run(with_retry(getattr(flaky, kind), on=on, backoff=STEADY))

    assert flaky.runs == [0, 10]
    assert notes_of(caught.value) == [
        f"with_retry: 'Flaky.{kind}' was given up after 2 runs: an error like this is not retried"
    ]


def test_an_error_that_is_not_meant_in_the_first_run_is_raised_as_it_is(clock: VirtualClock) -> None:
    with pytest.raises(Boom) as caught:
        run(with_retry(Flaky(clock, Boom).sync, on=ValueError))

    assert notes_of(caught.value) == []


def test_a_function_that_fails_itself_raises_its_error_from_the_one_that_it_was_asked_about(
    clock: VirtualClock,
) -> None:
    def broken(error: Exception) -> bool:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        run(with_retry(Flaky(clock, Boom).sync, on=broken))

    assert isinstance(caught.value.__context__, Boom)


def test_a_group_is_retried_if_every_error_in_it_is_meant(clock: VirtualClock) -> None:
    flaky = Flaky(clock, Boom, Boom)

    with pytest.raises(Cancelled):
        run(with_retry(concurrence(flaky.asynchronous, until_the_end_async), on=Boom, backoff=STEADY), at(60))

    assert flaky.runs == [0, 10, 20]


def at(seconds: float) -> Context:
    """Return a context that ends then; but nobody can know that before, since it has no deadline."""
    ctx = BACKGROUND.with_cancel()
    tasker._core.clock.current().call_at(seconds, ctx.cancel)
    return ctx


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@KINDS
def test_what_asks_for_the_end_of_the_program_is_never_retried(
    kind: str, error: BaseException, clock: VirtualClock
) -> None:
    flaky = Flaky(clock, error)

    with pytest.raises(type(error)):
        run(with_retry(getattr(flaky, kind), on=lambda error: True))

    assert len(flaky.runs) == 1


@pytest.mark.parametrize("error", [LeaseLost("gone"), ExceptionGroup("", [Boom(), LeaseLost("gone")])])
def test_a_lost_lease_is_never_retried(error: Exception, clock: VirtualClock) -> None:
    flaky = Flaky(clock, error)

    with pytest.raises(type(error)):
        run(with_retry(flaky.sync, on=lambda error: True))

    assert len(flaky.runs) == 1


def test_a_cancellation_that_nobody_asked_for_is_a_failure_and_is_retried(clock: VirtualClock) -> None:
    # As in thejerf/suture: a context error while the supervisor is alive counts as a failure.
    flaky = Flaky(clock, asyncio.CancelledError, Cancelled)

    run(with_retry(flaky.asynchronous, backoff=STEADY))

    assert flaky.runs == [0, 10, 20]


# --- the context ends ---


def test_under_an_ended_context_nothing_is_run() -> None:
    log: list[str] = []

    with pytest.raises(Cancelled):
        run(with_retry(noting(log, "started")), ended())

    assert log == []


@pytest.mark.parametrize("task", [until_the_end, until_the_end_async])
def test_a_task_that_leaves_because_its_context_ended_is_not_run_again(task: TaskLike, clock: VirtualClock) -> None:
    with pytest.raises(Cancelled):
        run(with_retry(task, backoff=STEADY), at(60))

    assert clock.elapsed == 60


def test_a_wait_ends_with_the_context_and_that_is_no_failure(clock: VirtualClock) -> None:
    # thejerf/suture#58: a supervisor that waits could not be stopped cleanly.
    flaky = Flaky(clock, Boom, Boom)
    cause = Cancelled("received SIGTERM")
    ctx = BACKGROUND.with_cancel()
    clock.call_at(60, lambda: ctx.cancel(cause))

    with pytest.raises(Cancelled) as caught:
        run(with_retry(flaky.sync, backoff=NEVER_READY), ctx)

    assert (clock.elapsed, caught.value.__cause__, flaky.runs) == (60, cause, [0])


@KINDS
def test_an_error_after_the_context_has_ended_is_raised_at_once(kind: str, clock: VirtualClock) -> None:
    runs: list[float] = []

    async def asynchronous() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            runs.append(clock.elapsed)
            raise Boom

    def sync(ctx: Context) -> None:
        ctx.wait()
        runs.append(clock.elapsed)
        raise Boom

    tasks: dict[str, TaskLike] = {"sync": sync, "asynchronous": asynchronous}
    with pytest.raises(Boom) as caught:
        run(with_retry(tasks[kind], backoff=STEADY), at(60))

    assert runs == [60]
    assert notes_of(caught.value) == [f"with_retry: {kind!r} was given up after 1 run: its context has ended"]


def test_it_does_not_wait_for_a_run_that_its_deadline_would_not_let_start(clock: VirtualClock) -> None:
    flaky = Flaky(clock, Boom, Boom, Boom)

    with pytest.raises(Boom) as caught:
        run(with_retry(flaky.sync, backoff=STEADY), BACKGROUND.with_timeout(15))

    assert (flaky.runs, clock.elapsed) == ([0, 10], 10)
    assert notes_of(caught.value) == [
        "with_retry: 'Flaky.sync' was given up after 2 runs: its context ends before the next, which is due in 10 s"
    ]


def test_within_a_timeout_the_last_error_says_more_than_that_it_took_too_long(clock: VirtualClock) -> None:
    with pytest.raises(Boom):
        run(with_timeout(15, with_retry(Flaky(clock, *[Boom] * 9).asynchronous, backoff=STEADY)))


def test_a_timeout_during_a_run_is_its_own_error(clock: VirtualClock) -> None:
    with pytest.raises(DeadlineExceeded):
        run(with_timeout(15, with_retry(Flaky(clock, Boom, takes=8).asynchronous, backoff=Backoff(initial=0))))


def test_a_repeated_task_that_waits_for_its_next_try_stops_cleanly(clock: VirtualClock) -> None:
    task = with_repeat(schedule.Interval(seconds=5), with_retry(Flaky(clock, Boom).sync, backoff=NEVER_READY))

    run(task, at(60))

    assert clock.elapsed == 60


def test_a_sibling_that_fails_ends_the_wait(clock: VirtualClock) -> None:
    later = Flaky(clock, ValueError, takes=5)

    with pytest.raises(ExceptionGroup) as caught:
        run(concurrence(with_retry(Flaky(clock, Boom).sync, backoff=NEVER_READY), later.asynchronous))

    assert [type(error) for error in caught.value.exceptions] == [ValueError]
    assert clock.elapsed == 5


@pytest.mark.parametrize("ticks", range(16))
def test_a_native_cancellation_at_any_tick_ends_it(ticks: int, caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def fails() -> None:
        runs.append(ticks)
        await asyncio.sleep(0)
        raise Boom

    async def work() -> None:
        running = asyncio.ensure_future(with_retry(fails, attempts=None, backoff=Backoff(initial=0))())
        for _ in range(ticks):
            await asyncio.sleep(0)
        running.cancel()
        before = len(runs)
        async with asyncio.timeout(10):
            # A run that fails in that moment has failed: no error is lost.
            with pytest.raises((asyncio.CancelledError, Boom)):
                await running
        assert len(runs) <= before + 1  # one may have been on its way

    asyncio.run(work())


# --- each run ---


def test_each_run_has_a_context_of_its_own_that_ends_with_it(clock: VirtualClock) -> None:
    contexts: list[Context] = []
    seen: list[list[bool]] = []

    def fails_twice(ctx: Context) -> None:
        contexts.append(ctx)
        seen.append([each.done for each in contexts])
        if len(contexts) < 3:
            raise Boom

    run(with_retry(fails_twice, backoff=STEADY))

    assert seen == [[False], [True, False], [True, True, False]]


def test_what_failed_runs_leave_at_their_context_does_not_pile_up(clock: VirtualClock) -> None:
    with BACKGROUND.with_cancel() as ctx:
        counts: list[int] = []

        def registers(inner: Context) -> None:
            inner.on_done(lambda: None)
            inner.with_cancel()
            counts.append(hooks(ctx))
            if len(counts) < 20:
                raise Boom

        run(with_retry(registers, attempts=None), ctx)

        assert len(set(counts)) == 1
        assert hooks(ctx) == 0


def test_the_values_and_the_deadline_are_those_of_the_context(clock: VirtualClock) -> None:
    seen: list[object] = []
    ctx = BACKGROUND.with_value("key", "value").with_timeout(60)

    run(with_retry(lambda ctx: seen.append((ctx.value("key"), ctx.remaining()))), ctx)

    assert seen == [("value", 60)]


# --- what people see ---


def test_each_failure_that_is_followed_by_a_run_is_logged_once_with_its_traceback(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    flaky = Flaky(clock, Boom("no"), Boom("still no"), Boom("never"))

    with pytest.raises(Boom):
        run(with_retry(flaky.sync, attempts=3, backoff=Backoff(initial=0.25, jitter=0)))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "'Flaky.sync' failed (run 1 of 3), and is run again in 0.25 s"),
        ("WARNING", "'Flaky.sync' failed (run 2 of 3), and is run again in 0.5 s"),
    ]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["no", "still no"]


def test_nothing_is_logged_when_nothing_is_run_again(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    run(with_retry(Flaky(clock).sync))

    assert caplog.records == []


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (with_retry(until_the_end), "with_retry up to 5 times"),
        (with_retry(until_the_end, attempts=3, within=60), "with_retry up to 3 times within 60 s"),
        (with_retry(until_the_end, attempts=None), "with_retry without limit"),
    ],
)
def test_its_name_says_how_often(task: tasker.Task, name: str) -> None:
    assert str(task) == f"{name}\n└── until_the_end"


# --- for the scheduler ---


def test_a_hook_is_told_of_each_further_run(clock: VirtualClock) -> None:
    told: list[tuple[int, str, float]] = []
    task = to_task(Flaky(clock, Boom("a"), Boom("b")).sync)

    run(
        retrying(
            task, Retry(backoff=STEADY), on_retry=lambda number, error, wait: told.append((number, str(error), wait))
        )
    )

    assert told == [(1, "a", 10), (2, "b", 10)]


def test_each_run_can_know_its_number(clock: VirtualClock) -> None:
    numbers: list[int] = []

    def nested() -> None:
        numbers.append(tasker.current_context().value("number"))

    def fails_twice(ctx: Context) -> None:
        run(nested)
        if len(numbers) < 3:
            raise Boom

    def numbered(ctx: Context, number: int) -> DerivedContext:
        return ctx.with_value("number", number)

    run(retrying(to_task(fails_twice), Retry(backoff=STEADY), context_of=numbered))

    assert numbers == [0, 1, 2]


def test_the_number_goes_on_when_the_count_begins_anew(clock: VirtualClock) -> None:
    numbers: list[int] = []

    async def healthy_but_failing(ctx: Context) -> None:
        numbers.append(ctx.value("number"))
        await asyncio.sleep(21)
        if len(numbers) < 4:
            raise Boom

    policy = Retry(attempts=2, backoff=Backoff(reset_after=20))
    run(retrying(to_task(healthy_but_failing), policy, context_of=lambda ctx, number: ctx.with_value("number", number)))

    assert numbers == [0, 1, 2, 3]


# --- arguments ---


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"attempts": 0}, ValueError, "attempts: expected 1 or more"),
        ({"on": BaseException}, TypeError, "on: expected classes derived from Exception"),
        ({"backoff": None}, TypeError, "backoff: expected a Backoff"),
        ({"within": -1}, ValueError, "within: expected a duration of zero or more"),
    ],
)
@pytest.mark.parametrize("task", [[], [until_the_end]], ids=["decorator", "task"])
def test_bad_arguments_are_refused_when_it_is_built(
    task: list[TaskLike], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{message}"):
        with_retry(*task, **arguments)


def test_what_cannot_be_a_task_is_refused_when_it_is_built() -> None:
    with pytest.raises(TypeError, match="expected a task"):
        with_retry(5)  # type: ignore[call-overload]


def with_arguments(clock: VirtualClock) -> tuple[TaskLike, list[float]]:
    runs: list[float] = []

    @with_retry(attempts=3, backoff=STEADY)
    def work() -> None:
        runs.append(clock.elapsed)
        if len(runs) < 3:
            raise Boom

    return work, runs


def without_arguments(clock: VirtualClock) -> tuple[TaskLike, list[float]]:
    runs: list[float] = []

    @with_retry
    async def work() -> None:
        runs.append(clock.elapsed)
        if len(runs) < 3:
            raise Boom

    return work, runs


@pytest.mark.parametrize("made", [with_arguments, without_arguments])
def test_it_decorates(made: Callable[[VirtualClock], tuple[TaskLike, list[float]]], clock: VirtualClock) -> None:
    task, runs = made(clock)

    run(task)

    assert len(runs) == 3


def test_a_decorator_that_was_given_no_task_is_none() -> None:
    with pytest.raises(TypeError, match=r"got the decorator <decorator with_retry\(Retry\(attempts=2"):
        concurrence(with_retry(attempts=2))


def test_nothing_is_left_behind() -> None:
    fails: Any = iter([Boom, Boom, None]).__next__

    def work() -> None:
        if error := fails():
            raise error

    with nothing_left_behind(BACKGROUND):
        run(with_retry(work, backoff=Backoff(initial=0.001)))
