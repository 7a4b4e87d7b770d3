from __future__ import annotations

import gc
import random
from typing import cast

from tasker.scheduler._agenda import Agenda
from tasker.scheduler._entry import Entry


class Fake:
    """All that an agenda needs of an entry."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.due: int | None = None
        self.place = 0

    def __repr__(self) -> str:
        return self.name


class Entries(Agenda):
    """An agenda that tells what it takes by the names of its entries."""

    def entry(self, name: str) -> Entry:
        entry = cast("Entry", Fake(name))
        self.add(entry)
        return entry

    def taken(self, now: int, most: int) -> str:
        return names(self.take(now, most, now, most))


def names(entries: list[Entry]) -> str:
    return "".join(map(repr, entries))


def test_nothing_is_due_on_an_empty_agenda() -> None:
    assert Agenda().next_time() is None
    assert Agenda().take(1_000, 10, 1_000, 10) == []


def test_what_is_due_comes_earliest_first_and_only_once() -> None:
    agenda = Entries()
    a, b, c = agenda.entry("a"), agenda.entry("b"), agenda.entry("c")
    agenda.put(a, 20)
    agenda.put(b, 10)
    agenda.put(c, 30)

    assert agenda.next_time() == 10
    assert agenda.taken(20, 10) == "ba"
    assert agenda.taken(20, 10) == ""
    assert agenda.next_time() == 30


def test_of_the_same_time_all_come() -> None:
    agenda = Entries()
    for each in [agenda.entry(name) for name in "dcba"]:
        agenda.put(each, 10)

    assert sorted(agenda.taken(10, 10)) == ["a", "b", "c", "d"]


def test_going_back_to_a_place_does_not_make_it_two() -> None:
    agenda = Entries()
    a = agenda.entry("a")
    for when in (10, 20, 10, 20, 10):
        agenda.put(a, when)

    assert agenda.taken(10, 10) == "a"
    assert agenda.next_time() is None


def test_no_more_are_taken_than_wanted() -> None:
    agenda = Entries()
    for number in range(5):
        agenda.put(agenda.entry(f"{number}"), number)

    assert agenda.taken(100, 2) == "01"
    assert agenda.taken(100, 2) == "23"
    assert agenda.taken(100, 2) == "4"


def test_an_entry_has_one_place_the_last_one_it_was_given() -> None:
    agenda = Entries()
    a = agenda.entry("a")
    agenda.put(a, 10)
    agenda.put(a, 30)
    assert agenda.next_time() == 30
    agenda.put(a, 5)

    assert agenda.taken(100, 10) == "a"
    assert agenda.next_time() is None


def test_an_entry_can_have_no_place() -> None:
    agenda = Entries()
    a = agenda.entry("a")
    agenda.put(a, 10)
    agenda.put(a, None)

    assert agenda.next_time() is None
    agenda.put(a, 20)
    assert agenda.next_time() == 20


def test_places_that_were_left_do_not_pile_up() -> None:
    agenda = Entries()
    kept = [agenda.entry(f"{number}") for number in range(50)]
    for number, each in enumerate(kept):
        agenda.put(each, number)
    moved = agenda.entry("moved")

    for time in range(10_000):
        agenda.put(moved, 1_000_000 + time)
        assert len(agenda._heap) < 300

    assert agenda.take(100, 100, 100, 100) == kept
    assert agenda.next_time() == 1_009_999


def test_it_agrees_with_a_dictionary_of_times() -> None:
    chance = random.Random(1)
    agenda = Entries()
    entries = [agenda.entry(f"{number}") for number in range(40)]
    times: dict[Entry, int] = {}
    count = 0
    for now in range(5_000):
        index = chance.randrange(len(entries))
        if chance.random() < 0.1:
            times.pop(entries[index], None)
            agenda.remove(entries[index])
            entries[index] = agenda.entry(f"{now}")
        each = entries[index]
        when = chance.choice([None, now + chance.randint(-5, 20)])
        agenda.put(each, when)
        times.pop(each, None)
        if when is not None:
            times[each] = when
        assert agenda.next_time() == min(times.values(), default=None)
        most = chance.randint(0, 3)
        taken = agenda.take(now, most, now, most)
        count += len(taken)
        earliest = sorted(when for when in times.values() if when <= now)[:most]
        assert sorted(times.pop(entry) for entry in taken) == earliest
    assert count > 1_000


def test_what_is_due_for_long_is_taken_beyond_the_few_that_are_wanted() -> None:
    agenda = Entries()
    for number in range(6):
        agenda.put(agenda.entry(f"{number}"), number)

    assert names(agenda.take(100, 2, 3, 5)) == "0123"
    assert names(agenda.take(100, 0, 3, 5)) == ""
    assert names(agenda.take(100, 2, 100, 1)) == "4"
    assert names(agenda.take(4, 2, 100, 1)) == ""


def test_the_place_of_an_entry_that_was_removed_is_another_s() -> None:
    agenda = Entries()
    a, b = agenda.entry("a"), agenda.entry("b")
    agenda.put(a, 10)
    agenda.put(b, 20)
    agenda.remove(a)
    c = agenda.entry("c")
    assert c.place == a.place

    assert agenda.next_time() == 20
    agenda.put(c, 10)
    assert agenda.taken(100, 10) == "cb"
    assert agenda.next_time() is None


def test_each_agenda_has_an_order_of_its_own_for_what_is_due_at_once() -> None:
    orders: list[str] = []
    for _ in range(20):
        agenda = Entries()
        for name in "abcdefgh":
            agenda.put(agenda.entry(name), 10)
        orders.append(agenda.taken(10, 8))

    assert {"".join(sorted(order)) for order in orders} == {"abcdefgh"}
    assert len({order[0] for order in orders}) > 3


def test_an_agenda_has_nothing_that_the_garbage_collector_walks_through() -> None:
    agenda = Entries()
    for number in range(100):
        agenda.put(agenda.entry(f"{number}"), number)

    assert not any(map(gc.is_tracked, agenda._heap))
