from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import tasker
from tasker import Cancelled, Context, LeaseLost, StoreUnavailable
from tasker.lease.lockers import LockerFactory, checked_key
from tasker.ports import Acquired, Fenced, Held
from tasker.store import memory
from tasker.testing import VirtualClock
from tests._support.leftovers import hooks
from tests._support.tasks import ended

BACKGROUND = Context.background()


class Store(memory.Store):
    """A memory store whose answers a test can spoil."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.loses_answers = False
        self.freed = 0
        self.before_answer: Callable[[], object] = lambda: None

    def acquire(self, *args: Any) -> Acquired:
        self._answer()
        acquired = super().acquire(*args)
        if self.loses_answers:
            raise StoreUnavailable("the answer was lost")
        return acquired

    def extend(self, *args: Any) -> Any:
        self._answer()
        return super().extend(*args)

    def free(self, *args: Any) -> Any:
        self.freed += 1
        self._answer()
        return super().free(*args)

    def _answer(self) -> None:
        self.before_answer()
        if self.is_down:
            raise StoreUnavailable("down")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def factory(store: Store) -> LockerFactory:
    return LockerFactory(store)


@pytest.fixture
def other(store: Store) -> LockerFactory:
    return LockerFactory(store)


def is_free(factory: LockerFactory, key: str = "key") -> bool:
    with factory.locker_for(key).try_lock(BACKGROUND) as locked:
        return locked is not None


async def is_free_async(factory: LockerFactory, key: str = "key") -> bool:
    async with factory.locker_for(key).try_lock(BACKGROUND) as locked:
        return locked is not None


def test_a_lock_is_held_by_one_for_as_long_as_the_block_lasts(
    clock: VirtualClock, factory: LockerFactory, other: LockerFactory
) -> None:
    with factory.locker_for("key").lock(BACKGROUND) as locked:
        assert locked.cause is None
        assert not is_free(other)
        assert not is_free(factory), "the same factory is no exception"
        assert is_free(other, "another key")
        clock.advance(3600)
        assert not is_free(other), "it was not renewed"
    assert locked.done
    assert is_free(other)


def test_the_block_works_on_a_loop_too(clock: VirtualClock, factory: LockerFactory, other: LockerFactory) -> None:
    async def hold(ctx: Context) -> None:
        async with factory.locker_for("key").lock(ctx) as locked:
            assert not await is_free_async(other)
            await asyncio.sleep(60)
            assert locked.cause is None
            assert not await is_free_async(other)
        assert locked.done
        assert await is_free_async(other)

    tasker.run(hold)
    assert clock.elapsed == 60


def test_waiting_for_a_lock_ends_when_it_becomes_free(
    clock: VirtualClock, factory: LockerFactory, other: LockerFactory
) -> None:
    taken: list[float] = []

    def hold(ctx: Context) -> None:
        with factory.locker_for("key").lock(ctx):
            ctx.sleep(10)

    def wait(ctx: Context) -> None:
        ctx.sleep(1)
        with other.locker_for("key").lock(ctx):
            taken.append(clock.elapsed)

    async def wait_async(ctx: Context) -> None:
        await asyncio.sleep(1)
        async with other.locker_for("key").lock(ctx):
            taken.append(clock.elapsed)

    tasker.run(tasker.concurrence(hold, wait, wait_async))

    assert len(taken) == 2
    assert all(10 <= when < 10.7 for when in taken)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_waiting_for_a_lock_ends_with_the_context(
    clock: VirtualClock, factory: LockerFactory, other: LockerFactory, way: str
) -> None:
    def wait(ctx: Context) -> None:
        with other.locker_for("key").lock(ctx):
            pytest.fail("two hold the lock")

    async def wait_async(ctx: Context) -> None:
        async with other.locker_for("key").lock(ctx):
            pytest.fail("two hold the lock")

    with factory.locker_for("key").lock(BACKGROUND), pytest.raises(tasker.DeadlineExceeded):
        tasker.run(tasker.with_timeout(5, wait if way == "sync" else wait_async))
    assert 5 <= clock.elapsed < 5.5


def test_a_context_that_has_ended_takes_no_lock(factory: LockerFactory, store: Store) -> None:
    for block in (factory.locker_for("key").lock(ended()), factory.locker_for("key").try_lock(ended())):
        with pytest.raises(Cancelled), block:
            pytest.fail("it was taken")
    assert store._locks == {}


def test_trying_a_taken_lock_gives_none_and_frees_nothing(
    factory: LockerFactory, other: LockerFactory, store: Store
) -> None:
    with factory.locker_for("key").lock(BACKGROUND):
        with other.locker_for("key").try_lock(BACKGROUND) as locked:
            assert locked is None
        assert store.freed == 0
        assert not is_free(other)


def test_a_block_leaves_no_hook_in_the_context(factory: LockerFactory) -> None:
    with BACKGROUND.with_cancel() as ctx:
        with factory.locker_for("key").lock(ctx):
            assert hooks(ctx) == 1
        assert hooks(ctx) == 0


def test_the_lock_is_freed_when_the_block_fails(factory: LockerFactory, other: LockerFactory) -> None:
    with pytest.raises(ValueError, match="the work failed"), factory.locker_for("key").lock(BACKGROUND):
        raise ValueError("the work failed")
    assert is_free(other)


class TestReentrancy:
    def test_a_context_that_holds_the_lock_gets_it_again_at_once(
        self, factory: LockerFactory, other: LockerFactory
    ) -> None:
        locker = factory.locker_for("key")
        with locker.lock(BACKGROUND) as outer:
            with outer.with_value("a", 1) as below, factory.locker_for("key").lock(below) as inner:
                assert inner.fencing_token == outer.fencing_token
                assert inner.value("a") == 1
            assert inner.done
            assert not outer.done
            assert not is_free(other), "the inner block freed it"
        assert is_free(other)

    def test_trying_it_again_succeeds_too(self, factory: LockerFactory) -> None:
        locker = factory.locker_for("key")
        with locker.lock(BACKGROUND) as outer, locker.try_lock(outer) as inner:
            assert inner is not None

    def test_another_key_is_a_lock_of_its_own(self, factory: LockerFactory, other: LockerFactory) -> None:
        with factory.locker_for("a").lock(BACKGROUND) as a, factory.locker_for("b").lock(a) as b:
            assert not is_free(other, "a")
            assert not is_free(other, "b")
            with factory.locker_for("a").lock(b) as again:
                assert again.fencing_token == a.fencing_token

    def test_another_factory_does_not_hold_it(self, factory: LockerFactory, other: LockerFactory) -> None:
        locker = factory.locker_for("key")
        with locker.lock(BACKGROUND) as outer, other.locker_for("key").try_lock(outer) as inner:
            assert inner is None

    def test_a_context_that_outlives_the_block_holds_nothing(
        self, factory: LockerFactory, other: LockerFactory
    ) -> None:
        with factory.locker_for("key").lock(BACKGROUND) as outer:
            survivor = outer.without_cancel()
        with other.locker_for("key").lock(BACKGROUND), factory.locker_for("key").try_lock(survivor) as locked:
            assert locked is None


class TestLoss:
    def test_a_lock_that_was_taken_away_ends_the_block_s_context(
        self, clock: VirtualClock, factory: LockerFactory, store: Store
    ) -> None:
        def work(ctx: Context) -> None:
            with factory.locker_for("key").lock(ctx) as locked:
                store._locks.clear()
                assert locked.wait(60)
                assert isinstance(locked.cause, LeaseLost)
                assert not ctx.done

        tasker.run(work)
        assert clock.elapsed == 5

    def test_an_async_block_hears_of_it(self, clock: VirtualClock, factory: LockerFactory, store: Store) -> None:
        async def work(ctx: Context) -> None:
            async with factory.locker_for("key").lock(ctx) as locked:
                store._locks.clear()
                assert await locked.wait_async(60)
                assert isinstance(locked.cause, LeaseLost)

        tasker.run(work)
        assert clock.elapsed == 5

    def test_a_store_that_is_away_too_long_costs_the_lock_and_the_next_gets_it(
        self, clock: VirtualClock, factory: LockerFactory, store: Store, other: LockerFactory
    ) -> None:
        with factory.locker_for("key").lock(BACKGROUND) as locked:
            store.is_down = True
            clock.advance(13)
            assert locked.cause is None
            clock.advance(1)
            assert str(locked.cause) == "'key': the store has not confirmed the lease within 14 s"
            store.is_down = False
            assert not is_free(other), "it was given away while the store held it for the first"
            clock.advance(1.001)
            assert is_free(other)

    def test_the_nested_block_hears_of_it_too(self, clock: VirtualClock, factory: LockerFactory, store: Store) -> None:
        locker = factory.locker_for("key")
        with locker.lock(BACKGROUND) as outer, locker.lock(outer) as inner:
            store._locks.clear()
            clock.advance(6)
            assert isinstance(inner.cause, LeaseLost)

    def test_leaving_a_lost_block_frees_nothing_of_the_next_holder(
        self, clock: VirtualClock, factory: LockerFactory, store: Store, other: LockerFactory
    ) -> None:
        with factory.locker_for("key").lock(BACKGROUND) as locked:
            store._locks["key"].owner = None
            block = other.locker_for("key").lock(BACKGROUND)
            block.__enter__()
            clock.advance(6)
            assert locked.done
        assert not is_free(factory)
        block.__exit__(None, None, None)
        assert is_free(factory)


class TestFailures:
    def test_a_store_that_is_away_is_an_error_of_the_block(self, factory: LockerFactory, store: Store) -> None:
        store.is_down = True

        with pytest.raises(StoreUnavailable, match="down"), factory.locker_for("key").lock(BACKGROUND):
            pytest.fail("there is no lock")

    def test_whoever_is_to_end_meanwhile_leaves_cleanly(self, factory: LockerFactory, store: Store) -> None:
        with BACKGROUND.with_cancel() as ctx:
            store.before_answer = ctx.cancel
            store.is_down = True

            with pytest.raises(Cancelled), factory.locker_for("key").lock(ctx):
                pytest.fail("there is no lock")

    def test_a_lock_whose_answer_was_lost_ends_by_itself(
        self, clock: VirtualClock, factory: LockerFactory, store: Store
    ) -> None:
        store.loses_answers = True
        with pytest.raises(StoreUnavailable), factory.locker_for("key").lock(BACKGROUND):
            pytest.fail("nobody knows")
        store.loses_answers = False

        assert not is_free(factory)
        clock.advance(15)
        assert is_free(factory)

    def test_freeing_is_tried_again_and_then_left_to_the_lease(
        self,
        clock: VirtualClock,
        factory: LockerFactory,
        store: Store,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with factory.locker_for("key").lock(BACKGROUND):
            store.is_down = True
        assert store.freed == 3
        assert caplog.messages == ["the lock 'key' was not freed; it ends within 15 s: down"]
        store.is_down = False
        clock.advance(15)
        assert is_free(factory)


class TestNativeCancellation:
    """Whenever it comes, nothing stays locked."""

    @pytest.mark.parametrize("ticks", range(12))
    def test_a_block_that_is_cancelled_natively_frees_the_lock(
        self, factory: LockerFactory, store: Store, ticks: int
    ) -> None:
        async def hold() -> None:
            async with factory.locker_for("key").lock(BACKGROUND):
                await asyncio.sleep(3600)

        async def test() -> None:
            holding = asyncio.get_running_loop().create_task(hold())
            for _ in range(ticks):
                await asyncio.sleep(0)
            holding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holding
            assert await is_free_async(factory)

        asyncio.run(test())

    def test_also_one_that_has_it(self, factory: LockerFactory) -> None:
        async def test() -> None:
            has_it = asyncio.Event()

            async def hold() -> None:
                async with factory.locker_for("key").lock(BACKGROUND):
                    has_it.set()
                    await asyncio.sleep(3600)

            holding = asyncio.get_running_loop().create_task(hold())
            await has_it.wait()
            holding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await holding
            assert await is_free_async(factory)

        asyncio.run(test())


def test_tokens_grow_over_factories_and_keys_are_counted_apart(
    clock: VirtualClock, factory: LockerFactory, other: LockerFactory
) -> None:
    tokens: list[int] = []
    for one in (factory, other, factory):
        with one.locker_for("key").lock(BACKGROUND) as locked:
            assert isinstance(locked, Fenced)
            tokens.append(locked.fencing_token)

    assert tokens == sorted(set(tokens))


def test_a_sync_block_is_refused_where_it_would_block_the_loop(factory: LockerFactory) -> None:
    async def wrong(ctx: Context) -> None:
        with factory.locker_for("key").lock(ctx):
            pytest.fail("the loop was blocked")

    with pytest.raises(RuntimeError, match=r"with locker\.lock\(ctx\) would block the event loop .* use async with"):
        tasker.run(wrong)


def test_with_no_overlap_runs_under_a_lock_or_not_at_all(
    clock: VirtualClock, factory: LockerFactory, other: LockerFactory
) -> None:
    ran: list[str] = []

    def work(ctx: Context) -> None:
        ran.append("first")
        ctx.sleep(60)

    tasker.run(
        tasker.concurrence(
            tasker.with_no_overlap(factory.locker_for("key"), work),
            tasker.sequence(
                lambda ctx: ctx.sleep(30),
                tasker.with_no_overlap(other.locker_for("key"), lambda: ran.append("second")),
            ),
        )
    )

    assert ran == ["first"]
    assert clock.elapsed == 60


def test_building_does_no_io_and_starts_no_thread(store: Store) -> None:
    before = threading.active_count()

    store.is_down = True
    LockerFactory(store).locker_for("key").lock(BACKGROUND)

    assert threading.active_count() <= before  # of other tests, some may just end


def test_a_locker_says_its_key(factory: LockerFactory) -> None:
    assert repr(factory.locker_for("my key")) == "<Locker 'my key'>"


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), True, "15", 86_401, 1e15])
def test_a_lease_that_makes_no_sense_is_refused(store: Store, ttl: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^ttl: expected a "):
        LockerFactory(store, ttl=ttl)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ("", ValueError, "key: expected 1 to 255 characters without NUL or lone surrogates, got ''"),
        ("x" * 256, ValueError, "key: expected 1 to 255 characters without NUL or lone surrogates, got 256 characters"),
        ("a\0b", ValueError, "key: expected 1 to 255 characters without NUL or lone surrogates, got 'a\\x00b'"),
        ("\ud800", ValueError, "key: expected 1 to 255 characters without NUL or lone surrogates, got '\\ud800'"),
        (b"key", TypeError, "key: expected a string, got b'key'"),
        (None, TypeError, "key: expected a string, got None"),
        (5, TypeError, "key: expected a string, got 5"),
    ],
)
def test_a_key_that_no_store_can_keep_is_refused(
    factory: LockerFactory, key: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        factory.locker_for(key)
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["x", "x" * 255, "job ", "\U0001f680", "it's", "\n", "日本"])
def test_any_other_key_is_taken_as_it_is(key: str) -> None:
    assert checked_key(key, "key") == key


def test_a_lock_is_known_by_its_token_not_by_its_owner(factory: LockerFactory, store: Store) -> None:
    with factory.locker_for("key").lock(BACKGROUND) as locked:
        store.free(factory._owner, [Held("key", locked.fencing_token - 1)])
        assert not is_free(factory)
