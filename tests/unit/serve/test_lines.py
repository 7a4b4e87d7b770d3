from __future__ import annotations

import pytest

from tasker.serve._lines import LONGEST, Lines


def split(*chunks: bytes) -> list[str]:
    lines = Lines()
    return [line for chunk in chunks for line in lines.feed(chunk)] + lines.end()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"one\r\ntwo"], ["one", "two"]),
        ([b"o", b"ne\nt", b"wo"], ["one", "two"]),
        ([b"\n\nend"], ["", "", "end"]),
        ([], []),
        (["ä".encode()[:1], "ä".encode()[1:] + b"\n"], ["ä"]),
        ([b"\xe9 \xff\n"], ["\\xe9 \\xff"]),
        ([b"cut \xc3"], ["cut \\xc3"]),
        ([b"50 %\r100 %\n"], ["50 %\r100 %"]),
    ],
)
def test_what_comes_is_split_into_lines_of_text(chunks: list[bytes], expected: list[str]) -> None:
    assert split(*chunks) == expected


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_long_line_becomes_several(end: bytes) -> None:
    assert [len(line) for line in split(b"x" * (2 * LONGEST + 1) + end)] == [LONGEST, LONGEST, 1]


def test_a_line_without_an_end_does_not_pile_up() -> None:
    lines = Lines()

    found = [line for _ in range(100) for line in lines.feed(b"x" * 1000)]

    assert sum(map(len, found)) >= 100_000 - LONGEST
    assert len(lines._rest) <= LONGEST
