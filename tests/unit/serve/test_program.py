from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasker.serve._program import program_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, mode in [("tool", 0o755), ("script", 0o644)]:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    return tmp_path


def test_a_name_is_found_in_the_path_that_the_program_will_have(folder: Path) -> None:
    assert program_of("tool", None, {"PATH": str(folder)}) == str(folder / "tool")


def test_a_path_stays_as_it_is(folder: Path) -> None:
    assert program_of(str(folder / "tool"), None, None) == str(folder / "tool")


def test_a_relative_path_is_relative_to_the_folder(folder: Path) -> None:
    assert program_of("./tool", str(folder), None) == "./tool"


def test_a_name_that_is_nowhere_is_refused_with_where_it_was_looked_for(folder: Path) -> None:
    text = f"there is no program 'pg_dmup' in PATH={folder}; install it, or give its path"
    with pytest.raises(FileNotFoundError, match=re.escape(text)):
        program_of("pg_dmup", None, {"PATH": str(folder)})


def test_a_path_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape(f"there is no program './no' at {folder / 'no'}")):
        program_of("./no", str(folder), None)


@pytest.mark.parametrize("given", ["mysql -phunter2 shop", "./mysql -phunter2 shop"])
def test_a_line_for_a_shell_is_refused_and_its_arguments_are_not_shown(given: str, folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="so give each argument by itself") as caught:
        program_of(given, str(folder), {"PATH": str(folder)})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", ["script", "./script"])
def test_what_is_not_executable_is_refused(given: str, folder: Path) -> None:
    with pytest.raises(PermissionError, match=re.escape(f"{folder / 'script'} is not executable")):
        program_of(given, str(folder), {"PATH": str(folder)})


def test_a_folder_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="cwd: there is no folder"):
        program_of("tool", str(folder / "no"), None)
