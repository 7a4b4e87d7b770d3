from __future__ import annotations

import json
from collections.abc import Callable

import pytest

pytest.importorskip("pymysql")

from tasker.errors import StoreUnavailable, TaskerError
from tasker.store.mysql import _literals


@pytest.mark.parametrize("value", ["", "it's", 'a"b', "a\\b", "a\nb", "a\0b", "100% {w} ; --", "é✓🚀"])
def test_no_text_can_be_misread(value: str) -> None:
    for literal in (_literals.text(value), _literals.key_literal(value), _literals.owner_literal(value)):
        assert literal == f"x'{value.encode().hex()}'"


def test_numbers_are_written_as_they_are() -> None:
    written = [_literals.number(value) for value in (0, -7, 2**63 - 1, -(2**63), True, None)]
    assert written == ["0", "-7", "9223372036854775807", "-9223372036854775808", "1", "NULL"]


def test_a_batch_is_an_array_of_rows_in_their_order() -> None:
    assert _literals.rows([("62", 2, None), ("61", True, "")]) == """'[["62",2,null],["61",1,""]]'"""
    assert _literals.rows([]) == "'[]'"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_of_more_than_64_bits_is_refused_for_good(number: int) -> None:
    with pytest.raises(TaskerError, match=f"expected a number of at most 64 bits, got {number}") as caught:
        _literals.number(number)
    assert not isinstance(caught.value, StoreUnavailable)
    with pytest.raises(TaskerError, match=f"expected a number of at most 64 bits, got {number}"):
        _literals.rows([("61", number)])


@pytest.mark.parametrize(
    ("write", "longest"),
    [
        (_literals.key, 1020),
        (_literals.key_literal, 1020),
        (_literals.owner_digits, 255),
        (_literals.owner_literal, 255),
    ],
)
def test_what_a_column_would_cut_is_refused_for_good(write: Callable[[str], str], longest: int) -> None:
    write("x" * longest)
    with pytest.raises(TaskerError, match=f"expected at most {longest} bytes in UTF-8, got {longest + 1}"):
        write("é" + "x" * (longest - 1))


@pytest.mark.parametrize("write", [_literals.key, _literals.owner_literal])
def test_an_id_with_a_lone_surrogate_is_refused_for_good(write: Callable[[str], str]) -> None:
    with pytest.raises(TaskerError, match="expected a text without lone surrogates"):
        write("a\ud800")


def test_a_text_for_people_is_written_whatever_is_in_it_and_an_endless_one_is_cut() -> None:
    assert bytes.fromhex(_literals.words("a\ud800\0b")) == b"a\\ud800\0b"
    assert len(_literals.words("x" * 1_000_000)) == 1_000_000


def test_what_was_written_can_be_read_again() -> None:
    assert _literals.text_of(_literals.key("é✓🚀")) == "é✓🚀"
    assert _literals.decoded(b"a\xff") == "a\\xff"
    assert json.loads(_literals.rows([("61", 2**63 - 1)]).strip("'")) == [["61", 2**63 - 1]]
