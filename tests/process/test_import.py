from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"


def test_importing_tasker_starts_nothing_and_loads_no_driver() -> None:
    with Program(PROGRAMS / "importing.py") as program:
        program.ends_with(0, within=10)
    assert program.out.splitlines() == ["changed nothing", "loaded []", "tasker"]
    assert not program.err


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("import tasker", "psycopg psycopg_pool pymysql redis sqlite3 tasker.serve"),
        ("import tasker.schedule", "zoneinfo difflib tasker.schedule._machine_zone"),
        (
            "from tasker.store import open_store; open_store('memory:')",
            "sqlite3 psycopg pymysql redis "
            + " ".join(f"tasker.store.{kind}" for kind in ("sqlite", "postgresql", "mysql", "redis")),
        ),
    ],
)
def test_nothing_is_loaded_that_few_programs_need(statement: str, without: str) -> None:
    # What was there before is not ours: a tool that measures coverage brings modules of its own.
    program = f"import asyncio, sys; before = set(sys.modules); {statement}; print(*(sys.modules.keys() - before))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert any(name.partition(".")[0] == "tasker" for name in loaded)
    assert set(without.split()).isdisjoint(loaded)
