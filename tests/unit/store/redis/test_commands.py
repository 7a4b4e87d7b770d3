from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("redis")

import tasker.store.redis as module
from tasker.store.redis._commands import AT_FIRST, IN_SCRIPTS

PACKAGE = Path(module.__file__).parent
PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "redis.md"


def test_every_command_is_tried_that_a_script_calls() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "lua").glob("*.lua"))
    called = set(re.findall(r"call(?:_redis)?\('([A-Z]+)'", scripts))
    assert called - set(IN_SCRIPTS) == {"TIME", "PUBLISH"}


def test_every_command_is_tried_that_is_sent_by_itself() -> None:
    code = (PACKAGE / "_store.py").read_text(encoding="utf-8")
    sent = set(re.findall(r'b"([A-Z]{3,})"', code)) - {"LIMIT"}
    assert sent == {"LRANGE", "HGETALL", "ZRANGEBYLEX"}
    assert sent <= set(IN_SCRIPTS)


def test_the_documentation_permits_what_is_tried_and_nothing_else() -> None:
    (line,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("ACL SETUSER")]
    permitted = {word[1:].upper() for word in line.split() if word.startswith("+")} - {"@CONNECTION"}
    assert permitted == {name.decode() for name, *_ in AT_FIRST} | set(IN_SCRIPTS)


def test_what_cannot_be_tried_without_writing_comes_after_what_deletes_it() -> None:
    assert list(IN_SCRIPTS)[-1] == "LPUSH"
    assert "DEL" in IN_SCRIPTS
