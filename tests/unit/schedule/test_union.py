from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tasker.schedule import At, Daily, Interval, Weekly, upcoming

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_slots_are_those_of_both_in_order() -> None:
    both = Daily(20, tz="UTC") | Daily(8, tz="UTC")
    assert [slot.hour for slot in upcoming(both, 3, after=NEW_YEAR)] == [8, 20, 8]


def test_a_slot_of_both_is_one_slot() -> None:
    both = Daily(8, tz="UTC") | Weekly("thu", 8, tz="UTC")
    assert [slot.day for slot in upcoming(both, 2, after=NEW_YEAR)] == [1, 2]


def test_it_goes_on_when_one_part_has_ended() -> None:
    both = At(NEW_YEAR) | Daily(8, tz="UTC")
    assert both.next_after(NEW_YEAR) == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert (At(NEW_YEAR) | At(NEW_YEAR)).next_after(NEW_YEAR) is None


def test_slots_in_a_repeated_hour_are_in_the_order_in_which_they_come() -> None:
    # By the wall alone, 02:15 of the second pass would be before 02:30 of the first.
    both = Daily(2, 15, tz="Europe/Berlin", fold="second") | Daily(2, 30, tz="Europe/Berlin")
    after = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Berlin"))
    assert [slot.isoformat() for slot in upcoming(both, 2, after=after)] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:15:00+01:00",
    ]


def test_it_says_all_its_parts() -> None:
    three = Interval(hours=1) | Daily(8, tz="UTC") | Daily(20, tz="UTC")
    assert str(three) == "every hour, every day at 08:00 in UTC, and every day at 20:00 in UTC"


def test_the_order_and_the_brackets_make_no_difference() -> None:
    a, b, c = Daily(1, tz="UTC"), Daily(2, tz="UTC"), Daily(3, tz="UTC")
    assert (a | b) | c == c | (b | a)
    assert hash(a | b) == hash(b | a)
    assert a | b != a | c
    assert eval(repr(a | b | c), {"Daily": Daily}) == a | b | c


def test_a_salt_reaches_every_part() -> None:
    both = Daily(1, tz="UTC").jitter(60) | Daily(2, tz="UTC").jitter(60)
    assert both.with_salt("id") == Daily(1, tz="UTC").jitter(60, "id") | Daily(2, tz="UTC").jitter(60, "id")
