"""Texts for people, which come from anywhere, in a form that every store can keep."""

from __future__ import annotations


def storable(text: str) -> str:
    """Return a text for people in a form that can be stored: no NUL and no lone surrogate.

    A traceback may contain both, and a run whose error cannot be stored would never be recorded.
    """
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
