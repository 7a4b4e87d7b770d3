from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from tasker._core import threads
from tasker._core.waiting import Bell, Gate
from tasker.errors import LeaseLost, StoreUnavailable, TaskerError
from tasker.lease.renewal import Renewal
from tasker.ports import Held, Renewed
from tasker.testing import VirtualClock
from tests._support.leftovers import eventually

A = Held("a", 1)
B = Held("b", 2)


@dataclass
class Store:
    """Answers renewals as a test says, and notes when they came."""

    clock: VirtualClock
    answer: Callable[[Sequence[Held]], frozenset[str]] = lambda held: frozenset(each.id for each in held)
    asked: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    def renew(self, owner: str, ttl: int, held: Sequence[Held], timeout: float) -> Renewed:
        assert (owner, ttl) == ("me", 15_000_000)
        self.asked.append((self.clock.elapsed, tuple(sorted(each.id for each in held))))
        self.timeouts.append(timeout)
        return Renewed(0, self.answer(held))

    def times(self) -> list[float]:
        return [round(when, 3) for when, _ in self.asked]


@dataclass
class Holder:
    """Notes when it hears that a lease is lost."""

    clock: VirtualClock
    heard: list[tuple[float, str]] = field(default_factory=list)

    def lose(self, cause: LeaseLost) -> None:
        self.heard.append((round(self.clock.elapsed, 3), str(cause)))


@pytest.fixture
def store(clock: VirtualClock) -> Store:
    return Store(clock)


@pytest.fixture
def holder(clock: VirtualClock) -> Holder:
    return Holder(clock)


@pytest.fixture
def renewal(store: Store) -> Renewal:
    return Renewal(store.renew, "me", 15, 3)


def down(held: Sequence[Held]) -> frozenset[str]:
    raise StoreUnavailable("down")


def test_leases_are_renewed_together_three_times_in_their_course(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    renewal.add(A, 0, holder.lose)
    clock.advance(2)
    renewal.add(B, 2, holder.lose)

    clock.advance(18)

    assert store.asked == [(5, ("a", "b")), (10, ("a", "b")), (15, ("a", "b")), (20, ("a", "b"))]
    assert holder.heard == []


def test_a_lease_is_renewed_for_as_long_as_it_is_held_and_not_longer(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    renewal.add(A, 0, holder.lose)
    clock.advance(3600)
    renewal.remove(A)
    clock.advance(3600)

    assert len(store.asked) == 720
    assert store.times()[-1] == 3600
    assert holder.heard == []


def test_the_time_runs_from_when_the_lease_was_asked_for(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    clock.advance(100)
    renewal.add(A, 97, holder.lose)  # the answer took three seconds

    clock.advance(10)

    assert store.times() == [102, 107]


def test_a_refused_renewal_is_a_lost_lease_at_once(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    store.answer = lambda held: frozenset({"b"})
    renewal.add(A, 0, holder.lose)
    renewal.add(B, 0, holder.lose)

    clock.advance(11)

    assert holder.heard == [(5, "'a': the store has given the lease to another, or has lost it")]
    assert store.asked == [(5, ("a", "b")), (10, ("b",))]


def test_without_an_answer_the_lease_is_lost_before_the_store_can_give_it_away(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    store.answer = down
    renewal.add(A, 0, holder.lose)

    clock.advance(60)

    assert holder.heard == [(14, "'a': the store has not confirmed the lease within 14 s")]


def test_it_tries_again_soon_and_for_as_long_as_there_is_time(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    store.answer = down
    renewal.add(A, 0, holder.lose)

    clock.advance(13.5)
    store.answer = Store(clock).answer
    clock.advance(60)

    assert store.times()[:3] == [5, 5.1, 5.2]
    assert holder.heard == []


def test_only_what_was_confirmed_lasts_longer(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    renewal.add(A, 0, holder.lose)
    clock.advance(12)  # confirmed at 5 and 10
    store.answer = down

    clock.advance(60)

    assert [when for when, _ in holder.heard] == [24]


def test_a_late_answer_counts_from_when_it_was_asked_for(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    def slow_once(held: Sequence[Held]) -> frozenset[str]:
        store.answer = down
        Gate().wait(2.9)
        return frozenset({"a"})

    store.answer = slow_once
    renewal.add(A, 0, holder.lose)

    clock.advance(60)

    assert [when for when, _ in holder.heard] == [19]  # sent at 5


def test_no_call_may_take_longer_than_the_time_that_is_left(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    def until_its_limit(held: Sequence[Held]) -> frozenset[str]:
        Gate().wait(store.timeouts[-1])
        raise StoreUnavailable("no answer")

    store.answer = until_its_limit
    renewal.add(A, 0, holder.lose)

    clock.advance(60)

    assert [round(timeout, 3) for timeout in store.timeouts] == [3, 3, 2.8]
    assert [when for when, _ in holder.heard] == [14]


def test_the_loss_is_told_in_time_while_a_call_blocks_against_its_promise(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    def for_ever(held: Sequence[Held]) -> frozenset[str]:
        Gate().wait(1000)
        return frozenset({"a", "b"})

    store.answer = for_ever
    renewal.add(A, 0, holder.lose)
    clock.advance(6)
    renewal.add(B, 6, holder.lose)

    clock.advance(60)

    assert holder.heard == [
        (14.001, "'a': the store has not confirmed the lease within 14 s"),
        (20.001, "'b': the store has not confirmed the lease within 14 s"),
    ]
    clock.advance(1000)


@pytest.mark.parametrize("error", [TaskerError("refused for good"), ValueError("a bug"), OSError("no file")])
def test_an_error_that_is_no_absence_does_not_end_the_watch_over_the_deadlines(
    store: Store, renewal: Renewal, holder: Holder, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    clock = store.clock

    def fail(held: Sequence[Held]) -> frozenset[str]:
        raise error

    store.answer = fail
    renewal.add(A, 0, holder.lose)
    clock.advance(8)
    logged = caplog.messages.copy()
    store.answer = down

    clock.advance(60)

    assert logged == ["leases could not be renewed"]
    assert [when for when, _ in holder.heard] == [14]


def test_a_lease_that_was_let_go_is_not_told_of_a_loss(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    def refuse_what_was_let_go(held: Sequence[Held]) -> frozenset[str]:
        renewal.remove(A)
        return frozenset()

    store.answer = refuse_what_was_let_go
    renewal.add(A, 0, holder.lose)

    clock.advance(60)

    assert holder.heard == []


def test_a_lease_of_the_same_id_under_a_newer_token_is_another(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
) -> None:
    def replaced_meanwhile(held: Sequence[Held]) -> frozenset[str]:
        store.answer = Store(clock).answer
        renewal.remove(A)
        renewal.add(Held("a", 9), clock.elapsed, holder.lose)
        return frozenset()

    store.answer = replaced_meanwhile
    renewal.add(A, 0, holder.lose)

    clock.advance(60)

    assert holder.heard == []


def test_a_lease_that_comes_too_late_is_lost_before_anything_begins_under_it(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(14)
    monkeypatch.setattr(threads, "start", None)  # another thread might tell of it, but later
    renewal.add(A, 0, holder.lose)

    assert holder.heard == [(14, "'a': the store has not confirmed the lease within 14 s")]
    clock.advance(10)
    assert store.asked == []


@pytest.mark.parametrize(
    ("ttl", "trusted"),
    [(15, 14), (30, 28), (60, 56), (9, 8), (3, 2.4), (0.3, 0.24)],
)
def test_the_margin_is_a_second_or_a_part_of_the_lease(ttl: float, trusted: float) -> None:
    renewal = Renewal(lambda owner, ttl, held, timeout: Renewed(0, frozenset()), "me", ttl, 3)

    assert renewal.deadline_of(100) == pytest.approx(100 + trusted)


def is_slow(renewal: Renewal) -> bool:
    return renewal.is_slow


class TestSlowness:
    def take(self, store: Store, seconds: float) -> Callable[[Sequence[Held]], frozenset[str]]:
        def answer(held: Sequence[Held]) -> frozenset[str]:
            Gate().wait(seconds)
            return frozenset(each.id for each in held)

        return answer

    def test_a_renewal_that_takes_more_than_a_third_of_its_time_is_slow(
        self,
        clock: VirtualClock,
        store: Store,
        renewal: Renewal,
        holder: Holder,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        store.answer = self.take(store, 1.6)
        renewal.add(A, 0, holder.lose)
        clock.advance(7)
        assert not is_slow(renewal)

        store.answer = self.take(store, 1.7)
        clock.advance(15)
        assert is_slow(renewal)
        assert len(caplog.messages) == 1
        assert caplog.messages[0].startswith("renewing leases took 1.7 s of the 5.0 s between two times")

        store.answer = self.take(store, 0)
        clock.advance(10)
        assert not is_slow(renewal)
        assert holder.heard == []

    def test_a_renewal_that_fails_is_slow_until_one_succeeds(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
    ) -> None:
        store.answer = down
        renewal.add(A, 0, holder.lose)
        clock.advance(6)
        assert is_slow(renewal)

        store.answer = self.take(store, 0)
        clock.advance(1)
        assert not is_slow(renewal)

    @pytest.mark.parametrize("ending", ["let go", "lost"])
    def test_nothing_is_slow_where_there_is_nothing_to_renew(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder, ending: str
    ) -> None:
        store.answer = self.take(store, 2)
        renewal.add(A, 0, holder.lose)
        clock.advance(8)
        assert is_slow(renewal)

        if ending == "let go":
            renewal.remove(A)
        else:
            store.answer = lambda held: frozenset()
            clock.advance(5)

        assert not is_slow(renewal)
        renewal.add(B, clock.elapsed, holder.lose)
        assert not is_slow(renewal)


class TestThread:
    @pytest.fixture(autouse=True)
    def look_at_new_threads(self) -> None:
        self.before = set(threading.enumerate())

    def count(self) -> int:
        return sum(thread.name == "tasker-renewal" for thread in threading.enumerate() if thread not in self.before)

    def test_it_starts_with_a_lease_and_ends_with_close(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
    ) -> None:
        assert self.count() == 0
        renewal.add(A, 0, holder.lose)
        assert self.count() == 1

        renewal.close()

        eventually(lambda: self.count() == 0, "the thread goes on")
        clock.advance(60)
        assert (store.asked, holder.heard) == ([], [])

    @pytest.mark.parametrize(
        ("takes", "closed_at"),
        [
            pytest.param(2, 7, id="for its answer"),
            pytest.param(1000, 9, id="no longer than a call may take"),
        ],
    )
    def test_close_waits_for_a_call_that_is_under_way(
        self, clock: VirtualClock, store: Store, renewal: Renewal, takes: float, closed_at: float
    ) -> None:
        def answer(held: Sequence[Held]) -> frozenset[str]:
            Gate().wait(takes)
            return frozenset({"a"})

        def close() -> None:
            renewal.close()
            closed.append(clock.elapsed)

        closed: list[float] = []
        lost: list[LeaseLost] = []
        store.answer = answer
        renewal.add(A, 0, lost.append)
        clock.advance(6)

        threads.start("closing", close)
        clock.advance(10)

        assert closed == [closed_at]
        clock.advance(1000)
        assert (store.times(), lost) == ([5], [])

    def test_where_none_can_be_started_no_lease_is_kept_and_the_next_one_is_kept_again(
        self, clock: VirtualClock, store: Store, holder: Holder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        renewal = Renewal(store.renew, "me", 15, 3)
        with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="can't start"):
            patched.setattr(threads, "start", refuse)
            renewal.add(A, 0, holder.lose)
        renewal.add(B, 0, holder.lose)
        clock.advance(6)
        renewal.close()

        assert store.asked == [(5, ("b",))]

    def test_it_ends_when_there_was_no_lease_for_a_while_and_starts_again(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
    ) -> None:
        renewal.add(A, 0, holder.lose)
        renewal.remove(A)
        clock.advance(20)
        eventually(lambda: self.count() == 0, "the thread goes on")

        renewal.add(B, 20, holder.lose)
        clock.advance(6)

        assert store.asked == [(25, ("b",))]

    def test_a_lease_that_comes_while_it_idles_is_renewed_in_time(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder
    ) -> None:
        renewal.add(A, 0, holder.lose)
        renewal.remove(A)
        clock.advance(9)
        renewal.add(B, 9, holder.lose)

        clock.advance(30)

        assert store.times() == [14, 19, 24, 29, 34, 39]

    def test_leases_that_come_and_go_wake_it_once(
        self, clock: VirtualClock, renewal: Renewal, holder: Holder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        renewal.add(A, 0, holder.lose)
        renewal.remove(A)
        clock.advance(0.5)
        rings: list[float] = []
        monkeypatch.setattr(Bell, "ring", lambda bell: rings.append(clock.elapsed))

        for _ in range(100):
            renewal.add(A, clock.elapsed, holder.lose)
            renewal.remove(A)

        assert rings == []

    def test_it_looks_at_the_clock_each_second_since_suspension_wakes_nobody(
        self, clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        suspended = [0.0]
        monkeypatch.setattr(VirtualClock, "boottime", lambda self: self._now + suspended[0])
        store.answer = down
        renewal.add(A, 0, holder.lose)
        clock.advance(1.5)

        suspended[0] = 3600
        clock.advance(1)

        assert [when for when, _ in holder.heard] == [2]


def test_failures_of_the_store_are_told_to_nobody_but_those_who_look_closely(
    clock: VirtualClock, store: Store, renewal: Renewal, holder: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.answer = down
    renewal.add(A, 0, holder.lose)

    clock.advance(10)

    assert caplog.messages == []
