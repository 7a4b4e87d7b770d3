"""Whether there is such a program: found out when a command is built, and not at three in the morning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def program_of(given: str, folder: str | None, env: Mapping[str, str] | None) -> str:
    """Return the program to run: a path as it was given, or where the name was found.

    Args:
        given: A name, or a path.
        folder: What a relative path is relative to; `None` means the folder of this process.
        env: Variables that the program will have on top of those of this process.

    Raises:
        FileNotFoundError: There is no such program, or no such folder.
        PermissionError: It is not executable.
    """
    if folder is not None and not Path(folder).is_dir():
        raise FileNotFoundError(f"command: cwd: there is no folder {folder!r}")
    if os.sep in given:
        _check(Path(folder or ".", given), given)
        return given
    search = {**os.environ, **(env or {})}.get("PATH", os.defpath)
    import shutil  # noqa: PLC0415 - it brings half a dozen modules of its own

    found = shutil.which(given, path=search)
    if found is not None:
        return found
    for each in search.split(os.pathsep):
        if Path(each, given).is_file():
            _check(Path(each, given), given)
    raise _missing(given, f"in PATH={search}; install it, or give its path")


def _check(path: Path, given: str) -> None:
    if not path.is_file():
        raise _missing(given, f"at {path.absolute()}")
    if not os.access(path, os.X_OK):
        raise PermissionError(f"command: {path.absolute()} is not executable; chmod +x makes it so")


def _missing(given: str, where: str) -> FileNotFoundError:
    first, _, arguments = given.partition(" ")
    if not arguments:
        return FileNotFoundError(f"command: there is no program {given!r} {where}")
    # They are not shown: they may be secret.
    return FileNotFoundError(
        f"command: there is no program {first!r} with a space and more in its name; no shell is involved, so give each"
        " argument by itself"
    )
