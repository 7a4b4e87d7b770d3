from __future__ import annotations

import importlib.util
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests._support.processes import Program
from tests._support.services import require_or_skip

PROGRAMS = Path(__file__).parent / "programs"


@contextmanager
def serving() -> Iterator[tuple[Program, str]]:
    """Run the application; give the program and the address of its health check."""
    for name in ("uvicorn", "fastapi"):
        require_or_skip(importlib.util.find_spec(name), f"{name} is not installed")
    with Program(PROGRAMS / "lifespan.py") as program:
        program.wait_for("sync ready", "async ready", "/healthz\n")
        yield program, next(line for line in program.out.splitlines() if line.startswith("http"))


def health(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_server_stops_the_tasks_of_its_lifespan(number: signal.Signals) -> None:
    with serving() as (program, address):
        assert health(address) == (200, "ok")
        program.signal(number)
        program.wait_for("sync stopped", "async stopped").say("go")
        program.ends_with(-number, within=2)

    assert program.out.splitlines()[-1] == "lifespan left"


def test_a_failure_ends_the_tasks_and_shows_in_the_health_check_since_the_server_goes_on() -> None:
    # Kludex/uvicorn#2308, django/asgiref#276: a server does not notice that a lifespan has failed after its start.
    with serving() as (program, address):
        program.say("fail")
        program.wait_for("sync stopped", "async stopped", "LookupError: no such thing")
        assert health(address) == (503, "'failing' failed: LookupError('no such thing')")
        program.signal(signal.SIGTERM)
        program.ends_with(-signal.SIGTERM, within=2)
