"""What somebody may have meant, for the end of an error message."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(text: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` with the closest of the allowed words, an empty string if none is close."""
    from difflib import get_close_matches  # noqa: PLC0415  a program without mistakes has no need of it

    by_folded = {word.casefold(): word for word in allowed}
    close = get_close_matches(text.strip().casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
