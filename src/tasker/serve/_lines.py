"""Bytes into lines of text: whatever a program writes, what comes out can be logged."""

from __future__ import annotations

import codecs

LONGEST = 8_192


class Lines:
    r"""Splits what comes into lines, none longer than 8,192 characters: a longer one becomes several.

    Bytes that are no UTF-8 stay readable, as `\xff`.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        while len(self._rest) > LONGEST:
            lines.append(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        return [part for line in lines for part in _parts(line)]

    def end(self) -> list[str]:
        """Return the last line, if it has no end of its own."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return _parts(rest) if rest else []


def _parts(line: str) -> list[str]:
    line = line.removesuffix("\r")
    return [line[start : start + LONGEST] for start in range(0, len(line), LONGEST)] or [""]
