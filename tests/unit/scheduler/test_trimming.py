from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from tasker.scheduler._entry import Entry
from tasker.scheduler._link import Link
from tasker.scheduler._settings import Settings
from tasker.scheduler._trimming import Trimming
from tasker.testing import VirtualClock


class Store:
    """Notes what it is to trim, and has as much to delete as a test says."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.deletes = 0

    def trim(self, ids: Sequence[str], keep: int, before: int) -> int:
        self.asked.append(ids)
        return self.deletes


class Named:
    """As much of an entry as matters here."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.until_trim = 1


def entries(number: int) -> list[Entry]:
    return [cast("Entry", Named(f"job {each:05}")) for each in range(number)]


def trimming_of(store: Store, history: int = 100) -> Trimming:
    settings = Settings(name="me", version="", max_running=64, lease=15, max_attempts=3, history=history, history_age=1)
    return Trimming(cast("Any", store), Link(), settings)


@pytest.fixture
def store() -> Store:
    return Store()


def go_on_for(seconds: int, trimming: Trimming, clock: VirtualClock) -> None:
    for _ in range(seconds):
        trimming.go_on()
        clock.advance(1)


def test_those_that_wait_are_trimmed_in_turn_also_if_the_first_grow_again(clock: VirtualClock, store: Store) -> None:
    trimming, all_of_them = trimming_of(store, history=5), entries(2_500)
    for _ in range(10):
        for entry in all_of_them:
            trimming.note_records(entry)
        go_on_for(1, trimming, clock)

    assert [len(ids) for ids in store.asked] == [1_000] * 10
    assert {id for ids in store.asked[:3] for id in ids} == {entry.id for entry in all_of_them}


def test_few_are_trimmed_now_and_then(clock: VirtualClock, store: Store) -> None:
    trimming, few = trimming_of(store), entries(3)
    for second in range(300):
        for entry in few:
            trimming.note_records(entry)
        go_on_for(1, trimming, clock)
        assert len(store.asked) == second // 30 + 1


def test_a_history_is_looked_at_when_it_has_grown_by_a_tenth(clock: VirtualClock, store: Store) -> None:
    trimming, (entry,) = trimming_of(store), entries(1)
    for _ in range(100):
        trimming.note_records(entry)
        go_on_for(60, trimming, clock)

    assert len(store.asked) == 10


def test_where_as_much_was_deleted_as_may_be_there_may_be_more(clock: VirtualClock, store: Store) -> None:
    store.deletes = 10_000
    trimming, (entry,) = trimming_of(store), entries(1)
    trimming.note_records(entry)
    go_on_for(5, trimming, clock)
    store.deletes = 9_999
    go_on_for(60, trimming, clock)

    assert len(store.asked) == 6


def test_what_does_not_grow_is_trimmed_for_its_age(clock: VirtualClock, store: Store) -> None:
    trimming, (entry,) = trimming_of(store), entries(1)
    trimming.note_age(entry)
    go_on_for(1, trimming, clock)

    assert store.asked == [[entry.id]]
