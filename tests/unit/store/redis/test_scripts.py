from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("redis")

import tasker.store.redis as module
from tasker.ports import FORMAT, UNREADABLE
from tasker.store.redis._scripts import greeting, script

LUA = Path(module.__file__).parent / "lua"
NAMES = sorted(path.stem for path in LUA.glob("*.lua"))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"common", "greet"}))
def test_a_script_begins_with_what_is_common_and_is_known_by_its_digest(name: str) -> None:
    found = script(name)
    assert found.source == (LUA / "common.lua").read_bytes() + (LUA / f"{name}.lua").read_bytes()
    assert found.digest.decode() == hashlib.sha1(found.source).hexdigest()
    assert script(name) is found


def test_the_greeting_stands_by_itself() -> None:
    assert greeting().source == (LUA / "greet.lua").read_bytes()


def test_every_script_of_an_operation_is_there() -> None:
    package = Path(module.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    assert [name for name in NAMES if name not in ("common", "greet") and f'"{name}"' not in code] == []


def test_the_scripts_know_the_formats_of_the_port() -> None:
    common = (LUA / "common.lua").read_text(encoding="utf-8")
    assert f"local FORMAT = {FORMAT}\n" in common
    assert f"local UNREADABLE = {UNREADABLE}\n" in common


@pytest.mark.parametrize("name", NAMES)
def test_no_script_turns_a_number_into_text_in_a_way_that_rounds_it(name: str) -> None:
    text = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    code = [line.partition("--")[0] for line in text.splitlines()]
    assert [line for line in code if "tostring(" in line] == []
