from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tasker._core.waiting import Gate
from tasker.errors import StoreUnavailable, TaskerError
from tasker.scheduler._announcer import Announcer
from tasker.scheduler._caller import Caller
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


class TestSent:
    """What is sent is answered while the driver goes on."""

    @pytest.fixture
    def heard(self) -> list[str]:
        return []

    @pytest.fixture
    def link(self, clock: VirtualClock, heard: list[str]) -> Iterator[Link]:
        link = Link(Caller(lambda: heard.append("there is an answer")))
        yield link
        link.close()

    def noting(self, heard: list[str], name: str) -> Callable[[Callable[[], Reply]], None]:
        def then(answer: Callable[[], Reply]) -> None:
            heard.append(f"{name}: {answer().now}")

        return then

    def test_it_is_taken_in_when_it_is_there_and_asked_for(
        self, clock: VirtualClock, link: Link, heard: list[str]
    ) -> None:
        link.send("claim", reply(5, after=2), self.noting(heard, "claim"))
        link.take_in()
        assert link.is_asking("claim")
        assert not link.is_asking("finish")

        clock.advance(2)
        assert heard == ["there is an answer"]
        assert link.is_asking("claim")

        link.take_in()
        assert heard[1:] == ["claim: 5"]
        assert not link.is_asking()

    def test_all_of_it_is_taken_in_before_anything_else_is_asked(self, link: Link, heard: list[str]) -> None:
        def poll() -> Reply:
            heard.append("poll")
            return Reply(7)

        link.send("claim", reply(5, after=2), self.noting(heard, "claim"))
        link.send("finish", reply(6, after=1), self.noting(heard, "finish"))
        link.ask("poll", poll)

        assert [what for what in heard if what != "there is an answer"] == ["claim: 5", "finish: 6", "poll"]

    def test_the_time_of_a_call_does_not_count_the_wait_for_those_before_it(
        self, clock: VirtualClock, link: Link, heard: list[str]
    ) -> None:
        link.send("claim", reply(1_000_000, after=2), self.noting(heard, "claim"))
        link.send("finish", reply(3_500_000, after=1), self.noting(heard, "finish"))
        link.settle()

        assert link.now() == 4_000_000

    def test_one_that_fails_leaves_those_after_it_for_the_next_time(self, link: Link, heard: list[str]) -> None:
        link.send("claim", fail, self.noting(heard, "claim"))
        link.send("finish", reply(6), self.noting(heard, "finish"))

        with pytest.raises(StoreUnavailable):
            link.settle()
        assert link.is_down
        assert link.is_asking("finish")

        link.settle()
        assert heard[-1] == "finish: 6"

    def test_the_thread_ends_when_everything_is_answered(
        self, clock: VirtualClock, link: Link, heard: list[str]
    ) -> None:
        def threads() -> int:
            return sum(thread.name == "tasker-store" for thread in threading.enumerate())

        link.send("claim", reply(5, after=2), self.noting(heard, "claim"))
        assert threads() == 1
        link.close()
        link.settle()

        clock.settle()
        assert heard[-1] == "claim: 5"
        assert threads() == 0


def test_where_no_thread_can_be_started_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("tasker._core.threads.start", refuse)
    link = Link(Caller(lambda: None))

    with pytest.raises(RuntimeError, match="can't start"):
        link.send("claim", reply(5), lambda answer: answer())
    link.settle()
    assert not link.is_asking()


def test_without_another_thread_what_is_sent_is_answered_at_once(link: Link) -> None:
    heard: list[int] = []
    link.send("claim", reply(5), lambda answer: heard.append(answer().now))

    assert heard == [5]
    assert not link.is_asking()
