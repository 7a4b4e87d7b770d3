"""The whole suite for a `tasker.ports.LeaseStore`."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from uuid import uuid4

from tasker.contract._promises import Promises, wait_for
from tasker.contract._stores import LONG, A, B, together
from tasker.ports import Held, LeaseGrant, LeaseStore

_INSTANCES = 6


class LeaseStoreContract(Promises):
    """Everything that `tasker.ports.LeaseStore` promises, one test method each; override `make_store`."""

    short_ttl: float = 0.2
    """Seconds of a lock whose end a test waits for."""

    def make_store(self) -> LeaseStore:
        """Hook: return a new handle on the same underlying store each time it is called within one test.

        Each test needs a store (or a namespace in it) without locks. All handles are closed after the test.
        """
        raise NotImplementedError

    def open(self) -> LeaseStore:
        """Return a handle that is closed after the test."""
        return self.closed_after(self.make_store())

    def test_a_free_lock_is_taken_with_an_end_by_the_store_s_clock(self) -> None:
        reply = self.open().acquire(A, LONG, ["key"])
        assert len(reply.grants) == 1
        grant = reply.grants[0]
        assert (grant.key, grant.lease_until) == ("key", reply.now + LONG)
        assert grant.token >= reply.now, "a token that ignores the clock starts again after a lost row"

    def test_a_taken_lock_is_refused_to_all_its_holder_included(self) -> None:
        store = self.open()
        _take(store)
        assert self.open().acquire(B, LONG, ["key"]).grants == ()
        assert store.acquire(A, LONG, ["key"]).grants == ()

    def test_a_lock_is_given_to_another_only_once_it_is_over(self) -> None:
        store = self.open()
        first = _take(store, ttl=self._short())
        _take_when_over(self.open(), first)
        assert store.extend(A, LONG, [_held(first)], store.call_limit).kept == frozenset()

    def test_a_freed_lock_can_be_taken_by_another_with_a_larger_token(self) -> None:
        store = self.open()
        first = _take(store)
        assert store.free(A, [_held(first)]).ids == {"key"}
        assert _take(self.open(), owner=B).token > first.token

    def test_tokens_grow_with_each_acquisition(self) -> None:
        store = self.open()
        tokens: list[int] = []
        for _ in range(20):
            grant = _take(store)
            store.free(A, [_held(grant)])
            tokens.append(grant.token)
        assert tokens == sorted(set(tokens))

    def test_tokens_grow_when_a_lock_that_is_over_is_taken_over(self) -> None:
        store = self.open()
        first = _take(store, ttl=self._short())
        second = _take_when_over(store, first)
        assert second.token > first.token

    def test_an_extended_lock_ends_later(self) -> None:
        store = self.open()
        grant = _take(store, ttl=self._short())
        reply = store.extend(A, LONG, [_held(grant)], store.call_limit)
        assert reply.kept == {"key"}
        wait_for(lambda: store.acquire(B, LONG, ["other"]).now > grant.lease_until)
        assert store.acquire(B, LONG, ["key"]).grants == ()

    def test_a_lock_that_is_over_and_was_not_taken_is_extended(self) -> None:
        store = self.open()
        grant = _take(store, ttl=self._short())
        wait_for(lambda: store.acquire(B, LONG, ["other"]).now > grant.lease_until)
        assert store.extend(A, LONG, [_held(grant)], store.call_limit).kept == {"key"}
        assert store.acquire(B, LONG, ["key"]).grants == ()

    def test_a_lock_is_extended_and_freed_by_owner_and_token_alone(self) -> None:
        store = self.open()
        grant = _take(store)
        for owner, token in ((B, grant.token), (A, grant.token - 1), (A, grant.token + 1)):
            assert store.extend(owner, LONG, [Held("key", token)], store.call_limit).kept == frozenset()
            assert store.free(owner, [Held("key", token)]).ids == frozenset()
        assert store.acquire(B, LONG, ["key"]).grants == (), "a stale token freed the lock"

    def test_a_freed_lock_is_neither_extended_nor_freed_again(self) -> None:
        store = self.open()
        grant = _take(store)
        store.free(A, [_held(grant)])
        assert store.extend(A, LONG, [_held(grant)], store.call_limit).kept == frozenset()
        assert store.free(A, [_held(grant)]).ids == frozenset()

    def test_a_lock_that_was_never_taken_is_neither_extended_nor_freed(self) -> None:
        store = self.open()
        assert store.extend(A, LONG, [Held("key", 1)], store.call_limit).kept == frozenset()
        assert store.free(A, [Held("key", 1)]).ids == frozenset()

    def test_a_batch_takes_what_is_free(self) -> None:
        store = self.open()
        _take(store, "b")
        assert {grant.key for grant in self.open().acquire(B, LONG, ["a", "b", "c"]).grants} == {"a", "c"}

    def test_keys_are_told_apart_byte_for_byte(self) -> None:
        keys = {"job", "Job", "job ", " job", "j\u00f6b", "jo\u0308b", "it's", "100%", "a\\b", "{a}", "\U0001f680"}
        grants = self.open().acquire(A, LONG, sorted(keys)).grants
        assert {grant.key for grant in grants} == keys

    def test_more_than_a_thousand_keys_go_through_one_call(self) -> None:
        store = self.open()
        keys = [f"key {number:04}" for number in range(1_203)]
        held = [_held(grant) for grant in store.acquire(A, LONG, keys).grants]
        assert {lease.id for lease in held} == set(keys)
        assert store.extend(A, LONG, held, store.call_limit).kept == set(keys)
        assert store.free(A, held).ids == set(keys)

    def test_nothing_asked_for_is_nothing_done(self) -> None:
        store = self.open()
        assert store.acquire(A, LONG, []).grants == ()
        assert store.extend(A, LONG, [], store.call_limit).kept == frozenset()
        assert store.free(A, []).ids == frozenset()

    def test_one_of_many_gets_a_lock_that_nobody_ever_had(self) -> None:
        handles = [self.open() for _ in range(_INSTANCES)]
        for number in range(10):
            keys = [f"{number} a", f"{number} b", f"{number} c"]
            given: list[str] = []
            together([_racer(store, keys, given) for store in handles])
            assert Counter(given) == dict.fromkeys(keys, 1), "a lock was given to two, or to nobody"

    def _short(self) -> int:
        return int(self.short_ttl * 1_000_000)


def _take(store: LeaseStore, key: str = "key", *, owner: str = A, ttl: int = LONG) -> LeaseGrant:
    grants = store.acquire(owner, ttl, [key]).grants
    assert [grant.key for grant in grants] == [key], f"a free lock was refused: {key!r}"
    return grants[0]


def _take_when_over(store: LeaseStore, first: LeaseGrant) -> LeaseGrant:
    """Ask for a taken lock, over and over, until it is given; it must be given neither before its end nor after."""
    while True:
        reply = store.acquire(B, LONG, [first.key])
        if reply.grants:
            assert reply.now >= first.lease_until, "a lock was given away before its end"
            return reply.grants[0]
        assert reply.now < first.lease_until, "a lock that is over was not given to another"
        time.sleep(0.002)


def _held(grant: LeaseGrant) -> Held:
    return Held(grant.key, grant.token)


def _racer(store: LeaseStore, keys: list[str], given: list[str]) -> Callable[[], None]:
    owner = str(uuid4())

    def race() -> None:
        mixed = random.sample(keys, len(keys))
        given.extend(grant.key for grant in store.acquire(owner, LONG, mixed).grants)

    return race
