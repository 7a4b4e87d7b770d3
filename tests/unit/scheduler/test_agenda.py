from __future__ import annotations

import random
from typing import cast

from tasker.scheduler._agenda import Agenda
from tasker.scheduler._entry import Entry


class Fake:
    """All that an agenda needs of an entry."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.due: int | None = None
        self.order = 0

    def __lt__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return self.name


def entry(name: str) -> Entry:
    return cast("Entry", Fake(name))


def names(entries: list[Entry]) -> str:
    return "".join(map(repr, entries))


def test_nothing_is_due_on_an_empty_agenda() -> None:
    assert Agenda().next_time() is None
    assert Agenda().take(1_000, 10) == []


def test_what_is_due_comes_earliest_first_and_only_once() -> None:
    agenda = Agenda()
    a, b, c = entry("a"), entry("b"), entry("c")
    agenda.put(a, 20)
    agenda.put(b, 10)
    agenda.put(c, 30)

    assert agenda.next_time() == 10
    assert names(agenda.take(20, 10)) == "ba"
    assert agenda.take(20, 10) == []
    assert agenda.next_time() == 30


def test_of_the_same_time_all_come() -> None:
    agenda = Agenda()
    for each in [entry(name) for name in "dcba"]:
        agenda.put(each, 10)

    assert sorted(names(agenda.take(10, 10))) == ["a", "b", "c", "d"]


def test_going_back_to_a_place_does_not_make_it_two() -> None:
    agenda = Agenda()
    a = entry("a")
    for when in (10, 20, 10, 20, 10):
        agenda.put(a, when)

    assert names(agenda.take(10, 10)) == "a"
    assert agenda.next_time() is None


def test_no_more_are_taken_than_wanted() -> None:
    agenda = Agenda()
    for number in range(5):
        agenda.put(entry(f"{number}"), number)

    assert names(agenda.take(100, 2)) == "01"
    assert names(agenda.take(100, 2)) == "23"
    assert names(agenda.take(100, 2)) == "4"


def test_an_entry_has_one_place_the_last_one_it_was_given() -> None:
    agenda = Agenda()
    a = entry("a")
    agenda.put(a, 10)
    agenda.put(a, 30)
    assert agenda.next_time() == 30
    agenda.put(a, 5)

    assert names(agenda.take(100, 10)) == "a"
    assert agenda.next_time() is None


def test_an_entry_can_have_no_place() -> None:
    agenda = Agenda()
    a = entry("a")
    agenda.put(a, 10)
    agenda.put(a, None)

    assert agenda.next_time() is None
    agenda.put(a, 20)
    assert agenda.next_time() == 20


def test_places_that_were_left_do_not_pile_up() -> None:
    agenda = Agenda()
    kept = [entry(f"{number}") for number in range(50)]
    for number, each in enumerate(kept):
        agenda.put(each, number)
    moved = entry("moved")

    for time in range(10_000):
        agenda.put(moved, 1_000_000 + time)
        assert len(agenda._heap) < 300

    assert agenda.take(100, 100) == kept
    assert agenda.next_time() == 1_009_999


def test_it_agrees_with_a_dictionary_of_times() -> None:
    chance = random.Random(1)
    agenda = Agenda()
    entries = [entry(f"{number}") for number in range(40)]
    times: dict[Entry, int] = {}
    for now in range(5_000):
        each = chance.choice(entries)
        when = chance.choice([None, now + chance.randint(-5, 500)])
        agenda.put(each, when)
        times.pop(each, None)
        if when is not None:
            times[each] = when
        assert agenda.next_time() == min(times.values(), default=None)
        for taken in agenda.take(now, chance.randint(0, 3)):
            assert times.pop(taken) <= now
