"""A server does what it was asked for, and its answer never arrives: nothing is assumed, and nothing done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import pytest

from tasker.errors import StoreUnavailable
from tasker.ports import Answer, Definition, Ending, Held, Outcome, Proposal
from tests._support.opening import store_at
from tests._support.places import SERVERS, Place
from tests._support.proxy import Proxy, Way

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("place", SERVERS, indirect=True)]
TTL = 60_000_000
LIMIT = 1.0
T = TypeVar("T")


@contextmanager
def losing(proxy: Proxy) -> Iterator[None]:
    """Let the one call in the block be done, and its answer be lost."""
    proxy.way(Way.NO_REPLIES)
    with pytest.raises(StoreUnavailable):
        yield
    proxy.way(Way.OPEN)


def again(call: Callable[[], T]) -> T:
    """Ask until there is an answer."""
    end = time.monotonic() + 20
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < end, "the store did not recover"


def test_a_claim_is_given_back_a_renewal_not_counted_and_an_ending_recorded_once(place: Place) -> None:
    with (
        place.opened() as direct,
        Proxy(place.server.port) as proxy,
        closing(store_at(place.url_by(proxy.port), LIMIT)) as store,
    ):
        slot = direct.register([Definition("job", "every second")]).states[0].decided + 1
        # Both connections are open, and the server knows the scripts: else these would be what has no answer.
        again(lambda: store.claim("A", TTL, 0, []))
        again(lambda: store.finish("A", []))
        again(lambda: store.renew("A", TTL, [], LIMIT))

        with losing(proxy):
            store.claim("A", TTL, 1, [Proposal("job", slot)])
        (lost,) = direct.states(["job"])
        assert (lost.owner, lost.attempt) == ("A", 1)
        assert again(lambda: store.release("A", [Held("job", lost.token)])).ids == {"job"}
        (grant,) = again(lambda: store.claim("A", TTL, 1, [Proposal("job", slot)])).grants
        assert grant.attempt == 1
        assert grant.token > lost.token

        held = Held("job", grant.token)
        again(lambda: store.renew("A", TTL, [held], LIMIT))
        with losing(proxy):
            store.renew("A", 2 * TTL, [held], LIMIT)
        (renewed,) = direct.states(["job"])
        assert renewed.lease_until is not None
        assert renewed.lease_until > grant.lease_until + TTL // 2
        assert again(lambda: store.renew("A", TTL, [held], LIMIT)).kept == {"job"}

        ending = Ending(id="job", token=grant.token, outcome=Outcome.SUCCEEDED, through=slot)
        again(lambda: store.finish("A", []))
        with losing(proxy):
            store.finish("A", [ending])
        assert [record.outcome for record in direct.history("job", 9)] == [Outcome.SUCCEEDED]
        assert again(lambda: store.finish("A", [ending])).answers == {"job": Answer.ALREADY}
        assert len(direct.history("job", 9)) == 1
