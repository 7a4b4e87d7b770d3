"""Processes whose wall clock is wrong, by libfaketime; their other clocks are those of the machine."""

from __future__ import annotations

from pathlib import Path


def find_faketime() -> Path | None:
    """Return the library, or `None` if this machine has none."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def wrong_by(library: Path, offset: str) -> dict[str, str]:
    """Return the environment of a process whose wall clock is wrong by so much, such as `+1h`."""
    return {**_faking(library), "FAKETIME": offset}


def wrong_as_said_in(library: Path, file: Path) -> dict[str, str]:
    """Return the environment of a process whose wall clock is wrong by what a file says, which may change."""
    return {**_faking(library), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


def _faking(library: Path) -> dict[str, str]:
    return {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
