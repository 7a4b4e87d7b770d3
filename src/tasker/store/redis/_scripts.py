"""The scripts that the server runs: files in Lua beside this one, each with what is common to all put before it.

A script is sent by its digest; a server that does not know it (a new one, or one that was restarted) is sent its text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FOLDER = files("tasker.store.redis") / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """What the server runs as one step.

    Attributes:
        source: Its text.
        digest: The SHA-1 of that, by which the server knows it.
    """

    source: bytes
    digest: bytes


@cache
def script(name: str) -> Script:
    """Return the script of an operation; it finds the clock, the arguments and the rules of a row at its beginning."""
    return _script(_text("common") + _text(name))


@cache
def greeting() -> Script:
    """Return the script that looks at which store this is; it stands by itself."""
    return _script(_text("greet"))


def _script(text: str) -> Script:
    source = text.encode()
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
