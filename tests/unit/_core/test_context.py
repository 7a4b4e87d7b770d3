from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from math import inf

import pytest

from tasker import CancelContext, Cancelled, Context, DeadlineExceeded, current_context, run
from tasker._core import threads
from tasker._core.context import AtEnd, Scope, cancelled_by
from tasker.testing import VirtualClock
from tests._support.leftovers import eventually, hooks, timers
from tests._support.tasks import Boom, ended, in_turn

BACKGROUND = Context.background()


def test_the_background_context_never_ends() -> None:
    assert (BACKGROUND.done, BACKGROUND.cause, BACKGROUND.deadline, BACKGROUND.remaining()) == (False, None, None, inf)


def test_the_background_context_is_one_and_the_same() -> None:
    assert Context.background() is Context.background()


def test_the_background_context_has_no_way_to_cancel() -> None:
    assert not hasattr(BACKGROUND, "cancel")


@pytest.mark.parametrize("derive", [lambda ctx: ctx.with_value("a", 1), lambda ctx: ctx.without_cancel()])
def test_a_context_without_an_end_of_its_own_cannot_be_cancelled(derive: Callable[[Context], Context]) -> None:
    assert not hasattr(derive(BACKGROUND), "cancel")


def test_the_context_that_a_task_gets_cannot_be_cancelled_by_it() -> None:
    got: list[Context] = []

    async def work(ctx: Context) -> None:
        got.append(ctx)

    run(work)

    assert not hasattr(got[0], "cancel")


# --- ending ---


def test_cancel_ends_a_context() -> None:
    ctx = BACKGROUND.with_cancel()

    ctx.cancel()

    assert ctx.done


def test_the_cause_is_what_cancel_was_given() -> None:
    cause = Boom()

    assert ended(cause).cause is cause


def test_without_a_cause_it_is_a_plain_cancelled() -> None:
    assert type(ended().cause) is Cancelled


@pytest.mark.parametrize("cause", ["why", Boom, 3])
def test_a_cause_is_an_exception(cause: object) -> None:
    with pytest.raises(TypeError, match="cause: expected an exception or None, got"):
        BACKGROUND.with_cancel().cancel(cause)  # type: ignore[arg-type]


def test_the_first_cause_wins() -> None:
    ctx = BACKGROUND.with_cancel()
    first = Boom("first")

    ctx.cancel(first)
    ctx.cancel(Boom("second"))

    assert ctx.cause is first


def test_one_of_many_racing_causes_wins_for_all_that_look() -> None:
    ctx = BACKGROUND.with_cancel()
    below = [ctx.with_cancel() for _ in range(20)]
    start = threading.Barrier(8)

    def cancel(number: int) -> None:
        start.wait()
        ctx.cancel(Boom(number))

    racing = [threading.Thread(target=cancel, args=(number,)) for number in range(8)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()

    assert {id(each.cause) for each in below} == {id(ctx.cause)}


def test_all_that_is_derived_ends_with_it_for_the_same_cause() -> None:
    ctx = BACKGROUND.with_cancel()
    derived = [ctx.with_cancel(), ctx.with_timeout(60), ctx.with_value("a", 1), ctx.with_value("b", 1).with_cancel()]
    cause = Boom()

    ctx.cancel(cause)

    assert [each.cause for each in derived] == [cause] * 4


def test_a_derived_context_leaves_its_parent_and_siblings_alone() -> None:
    parent = BACKGROUND.with_cancel()
    sibling = parent.with_cancel()

    parent.with_cancel().cancel()

    assert (parent.done, sibling.done) == (False, False)


def test_what_is_derived_from_an_ended_context_has_ended() -> None:
    cause = Boom()

    assert ended(cause).with_cancel().with_value("a", 1).cause is cause


def test_the_end_of_its_block_ends_a_derived_context() -> None:
    with BACKGROUND.with_cancel() as ctx:
        assert not ctx.done

    assert str(ctx.cause) == "the block of the context was left"


def test_the_block_does_not_swallow_errors() -> None:
    with pytest.raises(Boom), BACKGROUND.with_value("a", 1):
        raise Boom


def test_an_ended_context_is_forgotten_by_its_parent() -> None:
    parent = BACKGROUND.with_cancel()

    with parent.with_cancel(), parent.with_value("a", 1):
        pass
    parent.with_cancel().cancel()

    assert hooks(parent) == 0


def test_a_chain_of_contexts_may_be_longer_than_the_stack_is_deep() -> None:
    top = BACKGROUND.with_cancel()
    ctx: Context = top
    for _ in range(5_000):
        ctx = ctx.with_value("a", 1)

    top.cancel()

    assert ctx.done


def test_without_cancel_does_not_end_with_its_parent() -> None:
    parent = BACKGROUND.with_cancel()
    lasting = parent.without_cancel()

    parent.cancel()

    assert not lasting.done


def test_without_cancel_has_not_the_deadline_of_its_parent() -> None:
    lasting = BACKGROUND.with_timeout(5).without_cancel()

    assert (lasting.deadline, lasting.remaining()) == (None, inf)


def test_without_cancel_ends_with_its_block() -> None:
    with BACKGROUND.without_cancel() as lasting:
        pass

    assert lasting.done


def test_ending_while_the_garbage_collector_comes_back_to_the_same_context_is_no_deadlock() -> None:
    ctx = BACKGROUND.with_cancel()
    hook = AtEnd(ctx, lambda: None)

    with ctx._lock:  # as if the collector ran in the middle of an operation, in the thread that holds the lock
        hook.__exit__(None, None, None)

    assert hooks(ctx) == 0


def test_who_is_woken_by_the_end_finds_all_contexts_below_ended() -> None:
    parent = BACKGROUND.with_cancel()
    seen: list[bool] = []
    below: list[Context] = []
    AtEnd(parent, lambda: seen.append(below[0].done))
    below.append(parent.with_value("a", 1).with_cancel())

    parent.cancel()

    assert seen == [True]


def test_a_context_whose_parent_has_ended_can_catch_up() -> None:
    parent = BACKGROUND.with_cancel()
    child = parent.with_value("a", 1).with_cancel()
    cause = Boom()
    with parent._lock:
        parent._cause = cause  # its thread has not come any further yet

    child._catch_up()

    assert child.cause is cause


# --- deadlines ---


def test_a_timeout_ends_the_context_with_deadline_exceeded(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(5)

    clock.advance(5)

    assert isinstance(ctx.cause, DeadlineExceeded)


def test_a_timeout_does_not_end_the_context_before(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(5)

    clock.advance(4.999)

    assert not ctx.done


def test_a_timeout_of_zero_has_passed_at_once() -> None:
    assert isinstance(BACKGROUND.with_timeout(0).cause, DeadlineExceeded)


def test_a_deadline_is_an_instant_in_utc(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(timedelta(minutes=1))

    assert ctx.deadline == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def test_with_deadline_ends_the_context_at_that_instant(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_deadline(datetime(2026, 1, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))))

    clock.advance(29.999)
    was_done = ctx.done
    clock.advance(0.001)

    assert (was_done, ctx.done) == (False, True)


def test_the_deadline_is_the_given_instant_in_utc() -> None:
    at = datetime(2100, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))

    deadline = BACKGROUND.with_deadline(at).deadline

    assert deadline is not None
    assert (deadline.isoformat(), deadline.tzinfo) == ("2100-01-01T00:00:00+00:00", UTC)


def test_a_deadline_in_the_past_has_passed_at_once() -> None:
    assert BACKGROUND.with_deadline(datetime(2000, 1, 1, tzinfo=UTC)).done


def test_a_naive_deadline_is_refused() -> None:
    with pytest.raises(ValueError, match="at: expected an aware datetime, got the naive"):
        BACKGROUND.with_deadline(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("duration", [-1, float("nan"), float("inf")])
def test_a_timeout_is_zero_or_more_and_finite(duration: float) -> None:
    with pytest.raises(ValueError, match="duration: expected a"):
        BACKGROUND.with_timeout(duration)


def test_a_timeout_is_no_bool() -> None:
    with pytest.raises(TypeError, match="duration: expected a timedelta or a number of seconds, got True"):
        BACKGROUND.with_timeout(True)


def test_an_earlier_deadline_above_stays_the_deadline(clock: VirtualClock) -> None:
    parent = BACKGROUND.with_timeout(5)

    assert parent.with_timeout(60).remaining() == 5


def test_a_later_deadline_above_does_not_matter(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(60).with_timeout(5)

    clock.advance(5)

    assert isinstance(ctx.cause, DeadlineExceeded)


def test_what_is_derived_has_the_deadline(clock: VirtualClock) -> None:
    assert BACKGROUND.with_timeout(5).with_value("a", 1).with_cancel().remaining() == 5


def test_what_remains_is_never_negative(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(5)

    clock.advance(60)

    assert ctx.remaining() == 0


def test_a_jump_of_the_wall_clock_does_not_move_a_deadline(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_deadline(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))

    clock.jump(3600)
    clock.advance(59)

    assert (ctx.done, ctx.remaining()) == (False, 1)


def test_a_timeout_beyond_the_calendar_is_no_error() -> None:
    ctx = BACKGROUND.with_timeout(1e300)

    assert (ctx.done, ctx.deadline) == (False, datetime.max.replace(tzinfo=UTC))


def test_a_timeout_of_centuries_takes_no_timer() -> None:
    before = timers()

    BACKGROUND.with_timeout(1e11)

    assert timers() == before


def test_an_ended_context_leaves_no_timer() -> None:
    before = timers()

    for _ in range(10):
        BACKGROUND.with_timeout(3600).cancel()

    assert timers() == before


def test_cancelled_before_its_deadline_the_cause_stays() -> None:
    with VirtualClock() as clock:
        ctx = BACKGROUND.with_timeout(5)
        ctx.cancel(Boom())
        clock.advance(10)

    assert isinstance(ctx.cause, Boom)


def test_a_timer_that_comes_late_for_an_ended_context_is_not_kept() -> None:
    ctx = ended()
    timer = _Timer()

    ctx._keep(timer)

    assert timer.is_cancelled


class _Timer:
    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


# --- waiting ---


def test_wait_returns_true_when_the_context_ends(clock: VirtualClock) -> None:
    assert BACKGROUND.with_timeout(5).wait() is True


def test_wait_returns_false_when_its_timeout_is_over(clock: VirtualClock) -> None:
    assert (BACKGROUND.with_timeout(5).wait(2), clock.elapsed) == (False, 2)


def test_wait_returns_at_once_if_the_context_has_ended(clock: VirtualClock) -> None:
    assert (ended().wait(5), clock.elapsed) == (True, 0)


def test_wait_with_zero_tells_whether_the_context_has_ended() -> None:
    assert (BACKGROUND.wait(0), ended().wait(0)) == (False, True)


def test_wait_leaves_no_hook() -> None:
    ctx = BACKGROUND.with_cancel()

    ctx.wait(0)

    assert hooks(ctx) == 0


def test_wait_refuses_a_negative_timeout() -> None:
    with pytest.raises(ValueError, match="timeout: expected a duration of zero or more, got -1"):
        BACKGROUND.wait(-1)


def test_sleep_lasts_its_duration(clock: VirtualClock) -> None:
    BACKGROUND.sleep(timedelta(days=1))

    assert clock.elapsed == 86_400


def test_sleep_raises_cancelled_from_the_cause_when_the_context_ends(clock: VirtualClock) -> None:
    ctx = BACKGROUND.with_timeout(5)

    with pytest.raises(Cancelled) as caught:
        ctx.sleep(60)

    assert (caught.value.__cause__, clock.elapsed) == (ctx.cause, 5)


def test_sleep_of_zero_raises_if_the_context_has_ended() -> None:
    with pytest.raises(Cancelled):
        ended().sleep(0)


def test_another_thread_wakes_a_sleeper() -> None:
    ctx = BACKGROUND.with_cancel()
    threading.Thread(target=ctx.cancel).start()

    with pytest.raises(Cancelled):
        ctx.sleep(60)


def test_raise_if_done_does_nothing_before_the_end() -> None:
    BACKGROUND.raise_if_done()


def test_raise_if_done_raises_a_new_cancelled_from_the_cause() -> None:
    ctx = ended(Boom("why"))

    with pytest.raises(Cancelled, match=r"^the context ended: why$") as caught:
        ctx.raise_if_done()

    assert caught.value.__cause__ is ctx.cause


def test_a_cause_without_text_is_named_by_its_type() -> None:
    assert str(cancelled_by(Boom())) == "the context ended: Boom"


def test_wait_async_returns_true_when_the_context_ends() -> None:
    async def work() -> bool:
        ctx = BACKGROUND.with_cancel()
        asyncio.get_running_loop().call_soon(ctx.cancel)
        return await ctx.wait_async()

    assert asyncio.run(work()) is True


def test_wait_async_hears_an_end_from_another_thread() -> None:
    async def work() -> bool:
        ctx = BACKGROUND.with_cancel()
        threading.Thread(target=ctx.cancel).start()
        return await ctx.wait_async()

    assert asyncio.run(work()) is True


def test_wait_async_returns_false_when_its_timeout_is_over(clock: VirtualClock) -> None:
    answers: list[bool] = []

    async def work(ctx: Context) -> None:
        answers.append(await BACKGROUND.wait_async(5))

    run(work)

    assert (answers, clock.elapsed) == ([False], 5)


def test_wait_async_returns_at_once_if_the_context_has_ended() -> None:
    assert asyncio.run(ended().wait_async()) is True


def test_wait_async_refuses_a_bad_timeout() -> None:
    with pytest.raises(TypeError, match="timeout: expected a timedelta or a number of seconds, got '5'"):
        asyncio.run(BACKGROUND.wait_async("5"))  # type: ignore[arg-type]


def test_a_cancelled_wait_async_leaves_no_hook() -> None:
    ctx = BACKGROUND.with_cancel()

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await ctx.wait_async(60)

    asyncio.run(work())

    assert hooks(ctx) == 0


@pytest.mark.parametrize(
    ("block", "instead"),
    [
        (lambda ctx: ctx.wait(), "await ctx.wait_async()"),
        (lambda ctx: ctx.wait(1), "await ctx.wait_async()"),
        (lambda ctx: ctx.sleep(1), "await asyncio.sleep() or await ctx.wait_async()"),
    ],
)
def test_blocking_a_running_loop_is_refused_and_says_what_to_await(
    block: Callable[[Context], object], instead: str
) -> None:
    async def work() -> None:
        block(BACKGROUND)

    with pytest.raises(RuntimeError) as caught:
        asyncio.run(work())

    assert str(caught.value).endswith(f"would block the event loop that runs in this thread; use {instead}")


# --- on_done ---


def test_on_done_calls_back_in_a_worker_thread() -> None:
    ctx = BACKGROUND.with_cancel()
    called = threading.Event()
    names: list[str] = []

    ctx.on_done(in_turn(lambda: names.append(threading.current_thread().name), called.set))
    ctx.cancel()

    assert called.wait(5)
    assert names == ["tasker-worker"]


def test_on_done_calls_back_at_once_if_the_context_has_ended() -> None:
    called = threading.Event()

    ended().on_done(called.set)

    assert called.wait(5)


def test_on_done_does_not_call_back_before_the_end() -> None:
    ctx = BACKGROUND.with_cancel()
    called = threading.Event()

    ctx.on_done(called.set)

    assert not called.is_set()


def test_on_done_calls_back_once() -> None:
    ctx = BACKGROUND.with_cancel()
    calls: list[int] = []
    ctx.on_done(lambda: calls.append(1))

    ctx.cancel()
    ctx.cancel()
    eventually(lambda: bool(calls), "it was not called")

    assert calls == [1]


def test_on_done_can_be_unregistered() -> None:
    ctx = BACKGROUND.with_cancel()
    calls: list[str] = []
    last = threading.Event()
    unregister = ctx.on_done(lambda: calls.append("called"))
    ctx.on_done(last.set)

    unregister()
    ctx.cancel()

    assert last.wait(5)
    assert calls == []


def test_unregistering_after_the_end_is_no_error() -> None:
    ctx = BACKGROUND.with_cancel()
    unregister = ctx.on_done(lambda: None)
    ctx.cancel()

    unregister()


def test_the_same_callback_may_be_registered_twice() -> None:
    ctx = BACKGROUND.with_cancel()
    both = threading.Semaphore(0)
    ctx.on_done(both.release)
    ctx.on_done(both.release)

    ctx.cancel()

    assert both.acquire(timeout=5)
    assert both.acquire(timeout=5)


def test_what_a_callback_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def callback() -> None:
        raise Boom

    ended().on_done(callback)
    eventually(lambda: bool(caplog.records), "nothing was logged")

    record = caplog.records[0]
    assert (record.name, record.levelno, record.exc_info and record.exc_info[0]) == ("tasker", logging.ERROR, Boom)


def test_an_on_done_callback_without_a_thread_keeps_nobody_from_hearing_of_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(job: object) -> None:
        raise RuntimeError("can't start new thread")

    ctx = BACKGROUND.with_cancel()
    heard: list[str] = []
    ctx.on_done(lambda: None)
    ctx._attach(lambda: heard.append("another"))
    monkeypatch.setattr(threads, "submit", refuse)

    ctx.cancel()

    assert heard == ["another"]
    assert caplog.messages[0].startswith("an on_done callback was not called, since there is no thread for it: <func")


def test_on_done_refuses_what_cannot_be_called() -> None:
    with pytest.raises(TypeError, match="on_done: expected something to call, got 5"):
        BACKGROUND.on_done(5)  # type: ignore[arg-type]


def test_a_callback_may_block_without_holding_up_who_ends_the_context() -> None:
    ctx = BACKGROUND.with_cancel()
    release = threading.Event()
    ctx.on_done(release.wait)

    ctx.cancel()
    release.set()

    assert ctx.done


# --- values ---


def test_a_value_comes_from_the_nearest_context_that_has_it() -> None:
    ctx = BACKGROUND.with_value("user", "ann").with_value("user", "bob").with_cancel()

    assert ctx.value("user") == "bob"


def test_a_missing_value_is_the_default() -> None:
    assert (BACKGROUND.value("user"), BACKGROUND.with_value("a", 1).value("user", "nobody")) == (None, "nobody")


def test_a_value_may_be_none() -> None:
    assert BACKGROUND.with_value("user", None).value("user", "nobody") is None


def test_without_cancel_keeps_the_values() -> None:
    assert BACKGROUND.with_value("user", "ann").without_cancel().value("user") == "ann"


def test_a_value_does_not_reach_the_parent() -> None:
    parent = BACKGROUND.with_cancel()

    parent.with_value("user", "ann")

    assert parent.value("user") is None


# --- current_context, hooks and scopes ---


def test_outside_any_task_the_current_context_is_the_background() -> None:
    assert current_context() is BACKGROUND


def test_the_repr_tells_the_state(clock: VirtualClock) -> None:
    assert repr(BACKGROUND.with_cancel()) == "<CancelContext>"
    assert repr(BACKGROUND.with_timeout(60)) == "<CancelContext until 2026-01-01 00:01:00+00:00>"
    assert repr(ended(Boom("why"))) == "<CancelContext ended: Boom('why')>"


def test_a_hook_is_called_at_once_if_the_context_has_ended() -> None:
    calls: list[int] = []

    AtEnd(ended(), lambda: calls.append(1))

    assert calls == [1]


def test_a_hook_is_not_called_after_its_block() -> None:
    ctx = BACKGROUND.with_cancel()
    calls: list[int] = []

    with AtEnd(ctx, lambda: calls.append(1)):
        pass
    ctx.cancel()

    assert calls == []


def test_the_background_context_keeps_no_hook() -> None:
    with AtEnd(BACKGROUND, lambda: None):
        assert hooks(BACKGROUND) == 0


def test_a_scope_ends_with_its_block() -> None:
    with Scope(BACKGROUND) as scope:
        pass

    assert str(scope.ctx.cause) == "the combinator ended"


def test_deriving_ends_and_values_work_from_many_threads_at_once() -> None:
    parent = BACKGROUND.with_value("a", 1).with_cancel()
    failures: list[BaseException] = []

    def derive() -> None:
        try:
            for _ in range(300):
                with parent.with_cancel() as ctx, ctx.with_timeout(60) as inner:
                    assert inner.value("a") == 1
                    AtEnd(inner, lambda: None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=derive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (failures, hooks(parent)) == ([], 0)


def test_only_what_derives_with_an_end_of_its_own_can_be_cancelled() -> None:
    derived = [BACKGROUND.with_cancel(), BACKGROUND.with_timeout(5), BACKGROUND.with_deadline(datetime.now(UTC))]

    assert [type(each) for each in derived] == [CancelContext] * 3
