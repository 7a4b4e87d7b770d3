from __future__ import annotations

import pytest

pytest.importorskip("pymysql")

from tasker.store.mysql._chunks import chunks


def sizes(lengths: list[int]) -> list[int]:
    return [len(chunk) for chunk in chunks(lengths, lambda length: length)]


def test_no_items_are_one_packet() -> None:
    assert list(chunks([])) == [[]]


def test_a_thousand_items_are_one_packet_and_more_are_several() -> None:
    items = list(range(2_001))
    assert list(chunks(items[:1_000])) == [items[:1_000]]
    assert list(chunks(items)) == [items[:1_000], items[1_000:2_000], items[2_000:]]


def test_long_texts_are_sent_in_packets_of_their_own() -> None:
    assert sizes([60_000, 40_000, 1, 99_999, 100_001, 5, 200_000]) == [2, 2, 1, 1, 1]


def test_nothing_is_lost_or_sent_twice() -> None:
    lengths = [number * 977 % 70_000 for number in range(3_000)]
    assert [length for chunk in chunks(lengths, lambda length: length) for length in chunk] == lengths
