from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tasker._core.waiting import Gate
from tasker.errors import StoreUnavailable, TaskerError
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._link import Link
from tasker.testing import VirtualClock


@dataclass(frozen=True)
class Reply:
    now: int


def reply(now: int, *, after: float = 0) -> Callable[[], Reply]:
    def operation() -> Reply:
        if after:
            Gate().wait(after)
        return Reply(now)

    return operation


def fail() -> Reply:
    raise StoreUnavailable("down")


@pytest.fixture
def link(clock: VirtualClock) -> Link:
    link = Link()
    announce = Announcer("me", "owner", link.now)
    link.on_down, link.on_up = announce.store_down, announce.store_up
    return link


def test_before_the_first_reply_it_goes_by_the_wall_clock(clock: VirtualClock, link: Link) -> None:
    assert link.now() == round(clock.time() * 1_000_000)


def test_then_it_goes_by_the_store_s_clock_and_the_time_that_passes_here(clock: VirtualClock, link: Link) -> None:
    clock.advance(100)
    link.ask("poll", reply(5_000_000))

    assert link.now() == 5_000_000
    clock.advance(2.5)
    assert link.now() == 7_500_000


def test_the_wall_clock_may_jump(clock: VirtualClock, link: Link) -> None:
    link.ask("poll", reply(5_000_000))

    clock.jump(86_400)
    clock.advance(1)

    assert link.now() == 6_000_000


def test_a_reply_is_taken_for_the_middle_of_its_call(clock: VirtualClock, link: Link) -> None:
    link.ask("poll", reply(5_000_000, after=1))

    assert link.now() == 5_500_000


def test_the_newest_reply_counts(clock: VirtualClock, link: Link) -> None:
    link.ask("poll", reply(5_000_000))
    clock.advance(1)
    link.ask("poll", reply(4_000_000))

    assert link.now() == 4_000_000


def test_a_failure_leaves_the_time_as_it_was(clock: VirtualClock, link: Link) -> None:
    link.ask("poll", reply(5_000_000))
    clock.advance(1)

    with pytest.raises(StoreUnavailable):
        link.ask("poll", fail)

    assert link.now() == 6_000_000


def test_while_it_answers_there_is_no_pause(link: Link) -> None:
    link.ask("poll", reply(1))

    assert link.seconds_until_retry() == 0
    assert not link.is_down


def test_the_pauses_grow_up_to_some_seconds_and_differ(clock: VirtualClock, link: Link) -> None:
    pauses: list[float] = []
    for _ in range(30):
        with pytest.raises(StoreUnavailable):
            link.ask("poll", fail)
        pauses.append(link.seconds_until_retry())
        clock.advance(pauses[-1])
        assert link.seconds_until_retry() == 0

    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, *[5.0] * 24]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, longest, strict=True))
    assert len(set(pauses[6:])) > 20


def test_after_a_success_they_begin_anew(clock: VirtualClock, link: Link) -> None:
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            link.ask("poll", fail)
    link.ask("poll", reply(1))
    with pytest.raises(StoreUnavailable):
        link.ask("poll", fail)

    assert link.seconds_until_retry() <= 0.1


def test_one_line_when_it_goes_and_one_when_it_is_back(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link.ask("poll", reply(1))
    for _ in range(2):
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                link.ask("poll", fail)
        link.ask("poll", reply(1))
        link.ask("poll", reply(1))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == 2 * [
        ("WARNING", "the store of me is away, nothing is started until it is back: down"),
        ("INFO", "the store of me is back"),
    ]


def test_other_errors_are_not_absence(link: Link) -> None:
    def refuse() -> Reply:
        raise TaskerError("never")

    with pytest.raises(TaskerError, match="never"):
        link.ask("poll", refuse)

    assert not link.is_down


def test_a_store_that_answers_only_some_questions_is_not_back(
    clock: VirtualClock, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    # It is read-only: each claim fails, each poll succeeds.
    caplog.set_level(logging.INFO)
    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            link.ask("claim", fail)
        clock.advance(link.seconds_until_retry())
        link.ask("poll", reply(1))
        assert link.is_down
    assert len(caplog.messages) == 1

    link.ask("claim", reply(1))

    assert not link.is_down
    assert caplog.messages[1:] == ["the store of me is back"]


def test_what_nobody_asks_for_any_more_does_not_keep_the_store_away(
    clock: VirtualClock, link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable):
        link.ask("release", fail)
    clock.advance(9)
    link.ask("poll", reply(1))
    is_down_at_first = link.is_down

    clock.advance(1)
    link.ask("poll", reply(1))

    assert (is_down_at_first, link.is_down) == (True, False)
    assert sum("is back" in message for message in caplog.messages) == 1
