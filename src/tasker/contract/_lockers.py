"""The whole suite for a `tasker.ports.LockerFactory`."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from unittest import SkipTest

from tasker._core.context import Context
from tasker.contract._promises import Promises, wait_for
from tasker.contract._stores import together
from tasker.errors import Cancelled, LeaseLost
from tasker.ports import Fenced, Locker, LockerFactory

_WORKERS = 6
_ROUNDS = 10


class LockerFactoryContract(Promises):
    """Everything that `tasker.ports.LockerFactory` and its lockers promise; override `make_locker_factory`."""

    patience: float = 20.0
    """Seconds in which a lock that became free must have been taken by whoever waits for it."""

    def make_locker_factory(self) -> LockerFactory:
        """Hook: return a new factory on the same underlying lock service each time it is called within one test.

        Each test needs a place without locks. Factories that have a method `close` are closed after the test.
        """
        raise NotImplementedError

    def lose_lock(self, key: str) -> None:  # noqa: ARG002 - for those who override it
        """Hook, optional: take a lock away from its holder, behind its back."""
        raise SkipTest(f"{type(self).__name__} has no hook that takes a lock away")

    def locker(self, key: str = "key") -> Locker:
        """Return a locker of a new factory: one that knows of no other by itself."""
        return self.closed_after(self.make_locker_factory()).locker_for(key)

    def test_a_free_lock_is_taken_at_once(self) -> None:
        for locked in (self.locker().try_lock(Context.background()), self.locker().lock(Context.background())):
            with locked as ctx:
                assert ctx is not None
                assert not ctx.done

    def test_a_taken_lock_is_not_taken_again(self) -> None:
        with self.locker().lock(Context.background()), self.locker().try_lock(Context.background()) as second:
            assert second is None, "two hold the same lock"

    def test_a_failed_try_leaves_the_lock_with_its_holder(self) -> None:
        with self.locker().lock(Context.background()) as locked:
            with self.locker().try_lock(Context.background()):
                pass
            with self.locker().try_lock(Context.background()) as third:
                assert third is None
            assert not locked.done

    def test_a_lock_is_free_after_its_block(self) -> None:
        locker = self.locker()
        for _ in range(3):
            with locker.try_lock(Context.background()) as locked:
                assert locked is not None
        with self.locker().try_lock(Context.background()) as locked:
            assert locked is not None

    def test_a_lock_is_free_after_a_block_that_failed(self) -> None:
        failure = ValueError("the work failed")
        try:
            with self.locker().lock(Context.background()):
                raise failure
        except ValueError as error:
            assert error is failure  # noqa: PT017 - the suite does without pytest
        with self.locker().try_lock(Context.background()) as locked:
            assert locked is not None

    def test_keys_are_locks_of_their_own_told_apart_byte_for_byte(self) -> None:
        with self.locker("job").lock(Context.background()):
            for key in ("Job", "job ", "j\u00f6b", "jo\u0308b", "it's", "100%", "\U0001f680"):
                with self.locker(key).try_lock(Context.background()) as locked:
                    assert locked is not None, f"{key!r} was taken together with 'job'"

    def test_the_locked_context_ends_with_the_one_it_comes_from(self) -> None:
        with (
            Context.background().with_value("color", "green") as colored,
            colored.with_cancel() as ctx,
            self.locker().lock(ctx) as locked,
        ):
            assert locked.value("color") == "green"
            assert not locked.done
            ctx.cancel()
            assert locked.wait(self.patience)
            assert locked.done

    def test_the_locked_context_ends_with_its_block(self) -> None:
        with self.locker().lock(Context.background()) as locked:
            pass
        assert locked.done

    def test_a_waiting_lock_is_taken_when_it_becomes_free(self) -> None:
        waiter = _Waiter(self.locker())
        with self.locker().lock(Context.background()):
            waiter.start()
            assert not waiter.has_it.wait(0.1), "two hold the same lock"
        assert waiter.has_it.wait(self.patience), "a free lock was not taken by whoever waited for it"
        waiter.end()

    def test_waiting_for_a_lock_ends_with_the_context(self) -> None:
        with self.locker().lock(Context.background()), Context.background().with_timeout(0.05) as ctx:
            begun = time.monotonic()
            assert _is_cancelled(self.locker(), ctx)
            assert time.monotonic() - begun < self.patience
        with self.locker().try_lock(Context.background()) as locked:
            assert locked is not None, "whoever gave up waiting kept the lock"

    def test_a_lock_is_not_taken_under_a_context_that_has_ended(self) -> None:
        with Context.background().with_cancel() as ctx:
            ctx.cancel()
            assert _is_cancelled(self.locker(), ctx), "a lock was taken although its context had ended before"

    def test_fencing_tokens_grow_with_each_acquisition(self) -> None:
        tokens: list[int] = []
        for _ in range(5):
            with self.locker().lock(Context.background()) as locked:
                if not isinstance(locked, Fenced):
                    raise SkipTest("not fenced: locked contexts have no fencing_token, so stale writes go unnoticed")
                tokens.append(locked.fencing_token)
        assert tokens == sorted(set(tokens)), f"not fenced: tokens must grow, got {tokens}"

    def test_a_lost_lock_ends_the_locked_context(self) -> None:
        with self.locker().lock(Context.background()) as locked:
            self.lose_lock("key")
            assert locked.wait(self.patience), "the holder of a lost lock was not told"
            assert isinstance(locked.cause, LeaseLost)

    def test_work_under_a_lock_is_never_done_by_two_at_once(self) -> None:
        counter = _Counter()

        def worker(locker: Locker) -> Callable[[], None]:
            def work() -> None:
                for _ in range(_ROUNDS):
                    with locker.lock(Context.background()):
                        counter.add_one_carelessly()

            return work

        together([worker(self.locker()) for _ in range(_WORKERS)])
        assert counter.value == _WORKERS * _ROUNDS, "two were under the same lock at once"


class _Counter:
    """Loses an increment whenever two threads are in it at once."""

    def __init__(self) -> None:
        self.value = 0

    def add_one_carelessly(self) -> None:
        value = self.value
        time.sleep(0.001)
        self.value = value + 1


class _Waiter:
    """A thread that waits for a lock and holds it until it is told to end."""

    def __init__(self, locker: Locker) -> None:
        self.has_it = Event()
        self._locker = locker
        self._may_end = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._may_end.set()
        wait_for(lambda: not self._thread.is_alive())

    def _run(self) -> None:
        with self._locker.lock(Context.background()):
            self.has_it.set()
            self._may_end.wait(60)


def _is_cancelled(locker: Locker, ctx: Context) -> bool:
    try:
        with locker.lock(ctx):
            return False
    except Cancelled:
        return True
