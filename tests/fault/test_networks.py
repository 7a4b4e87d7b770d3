"""Instances whose way to their store is cut, or slow: whoever cannot renew leaves its run before another begins it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests._support.cluster import IS_BACK
from tests._support.places import SERVERS, Place
from tests._support.proxy import Proxy, Way
from tests._support.stage import LEASE, Stage

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("place", SERVERS, indirect=True)]
CUTS = (Way.SILENT, Way.NO_REPLIES, Way.REFUSED)
# An instance uses two connections; what it gave up may take a moment to close.
CONNECTIONS = 2


@pytest.fixture
def proxies(place: Place) -> Iterator[list[Proxy]]:
    """A way to the server for each of the ways to cut it."""
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(place.server.port)) for _ in CUTS]


def settles(stage: Stage, proxy: Proxy) -> None:
    stage.until(lambda: proxy.connections <= CONNECTIONS, "no connection is left that nobody uses")


def test_whoever_is_cut_off_alone_has_left_its_run_before_another_begins_it(
    place: Place, stage: Stage, proxies: list[Proxy]
) -> None:
    ids = [way.name for way in CUTS]
    # The margin between the deadline here and the end of the lease there grows with the lease.
    options = ("--lease", "4", "--call-limit", "1")
    victims = [
        stage.start("--ids", id, "--first", "60", *options, url=place.url_by(proxy.port))
        for id, proxy in zip(ids, proxies, strict=True)
    ]
    first = [stage.seen("began", of=victim) for victim in victims]
    other = stage.start("--ids", *ids, *options)
    stage.seen("ready", of=other)

    for proxy, way in zip(proxies, CUTS, strict=True):
        proxy.way(way)
    for id, victim, before in zip(ids, victims, first, strict=True):
        left = stage.seen("left", of=victim)
        then = stage.seen("began", of=other, id=id)
        assert left.detail == "LeaseLost"
        assert (then.slot, then.attempt) == (before.slot, 2)
        assert left.at < then.at
        assert then.token > before.token
        stage.seen("done", of=other, id=id)

    for proxy in proxies:
        proxy.way(Way.OPEN)
    for victim, proxy in zip(victims, proxies, strict=True):
        victim.wait_for(IS_BACK)
        settles(stage, proxy)
    stage.stop()
    assert stage.problems(lost=victims) == []
    assert stage.stale() == []


def test_while_all_are_cut_off_nobody_runs_anything_and_then_all_goes_on(
    place: Place, stage: Stage, proxies: list[Proxy]
) -> None:
    proxy, *_ = proxies
    instances = [stage.start(url=place.url_by(proxy.port)) for _ in range(2)]
    for instance in instances:
        stage.seen("began", of=instance)
    proxy.way(Way.HELD)
    for instance in instances:
        instance.wait_for("is away")
    cut = stage.notes()[-1].at
    stage.rest(LEASE)
    # What was under way has ended by then, and nothing else has begun.
    assert stage.notes("wrote", after=cut + LEASE / 2) == []
    # What was held back arrives now, and is done too late.
    proxy.way(Way.OPEN)
    for instance in instances:
        instance.wait_for(IS_BACK)
    stage.wait("done", times=2)
    stage.stop()
    assert stage.problems(lost=instances) == []
    assert stage.stale() == []


def test_answers_that_are_slow_and_in_time_keep_a_lease_and_are_said(
    place: Place, stage: Stage, proxies: list[Proxy]
) -> None:
    proxy, *_ = proxies
    slow = stage.start("--first", "60", "--lease", "3", "--call-limit", "1", url=place.url_by(proxy.port))
    stage.seen("began", of=slow)
    # The way must be quick until it has renewed its lease once: the connection for that is made only then.
    stage.until(lambda: proxy.connections == CONNECTIONS, "it renews its lease")
    stage.wait("wrote", times=20)
    # A third of the time between two renewals is a third of a second.
    proxy.delay = 0.2
    slow.wait_for("renewing leases took")
    stage.rest(3)
    assert stage.notes("left") == []
    proxy.delay = 0
    stage.stop()
    assert "is away" not in slow.err
