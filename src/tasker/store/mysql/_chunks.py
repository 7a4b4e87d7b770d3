"""Batches cut into pieces, each for one packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

AT_MOST = 1_000
"""How many rows a packet changes at most, so that none of them is locked for long."""

_CHARACTERS = 100_000
"""How much text a packet has at most: a server may refuse more than a megabyte, and digits take twice as much."""


def chunks(items: Sequence[T], length_of: Callable[[T], int] = lambda _: 0) -> Iterator[Sequence[T]]:
    """Cut items for several packets; no items are one packet, as every reply has the store's clock.

    Args:
        items: What goes into the packets.
        length_of: How much text an item has beside its id.
    """
    begin = length = 0
    for place, item in enumerate(items):
        length += length_of(item)
        if place - begin >= AT_MOST or (length > _CHARACTERS and place > begin):
            yield items[begin:place]
            begin, length = place, length_of(item)
    yield items[begin:]
