"""The example, as its page says: three copies side by side, the report on one of them, Ctrl-C ends each at once."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests._support.cluster import ROOT, start, until
from tests._support.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests._support.processes import Program

pytestmark = pytest.mark.slow
SERVICE = ROOT / "examples" / "service.py"
REPORT = re.compile(r"report     slot ([\d:]+), attempt (\d+)\n")
Report = tuple[str, int]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tasker.db"
    return str(request.getfixturevalue("postgres_url"))


@contextmanager
def service(store: str, copies: int) -> Iterator[list[Program]]:
    """Start copies of the service, and check in the end that none has met a warning or an error."""
    with ExitStack() as stack:
        programs = [start(stack, SERVICE, TASKER_STORE=store, PYTHONDEVMODE="1") for _ in range(copies)]
        yield programs
    for program in programs:
        assert "Traceback" not in program.out + program.err
        assert "Warning" not in program.out + program.err
        assert "stopped    good bye" in program.err


def reports(program: Program) -> list[Report]:
    """Return the slots and attempts of the reports that a copy has begun."""
    return [(slot, int(attempt)) for slot, attempt in REPORT.findall(program.err)]


def begun(programs: list[Program], count: int) -> list[tuple[Report, Program]]:
    """Wait until so many reports have begun in all, and return them with the copies that did."""

    def in_all() -> list[tuple[Report, Program]]:
        return sorted((report, program) for program in programs for report in reports(program))

    def enough() -> bool:
        return len(in_all()) >= count

    until(enough, f"{count} reports have begun")
    return in_all()


def interrupt(programs: list[Program]) -> None:
    for program in programs:
        program.signal(signal.SIGINT)
    for program in programs:
        program.ends_with(0, within=1)


def test_the_report_runs_on_one_of_three_copies_and_moves_when_that_one_is_interrupted(store: str) -> None:
    with service(store, copies=3) as programs:
        for program in programs:
            program.wait_for("listening on")
        found = begun(programs, 2)
        (slot, attempt), holder = found[-1]
        assert attempt == 1
        interrupt([holder])
        others = [program for program in programs if program is not holder]
        until(lambda: any((slot, 2) in reports(program) for program in others), "another copy has taken over")
        begun(programs, len(found) + 2)
        interrupt(others)
        done = Counter(report for program in programs for report in reports(program))
        assert max(done.values()) == 1
        assert [report for report in done if report[1] > 1] == [(slot, 2)]


def test_each_copy_answers_and_shows_what_goes_on(store: str) -> None:
    with service(store, copies=1) as (program,):
        program.wait_for("settings read", "cache warm", "heartbeat", "report", "listening on")
        found = re.search(r"listening on (http://\S+)\n", program.err)
        assert found is not None
        with urllib.request.urlopen(found[1], timeout=30) as response:
            assert response.read() == f"hello from process {program.pid}\n".encode()
        program.wait_for('"GET / HTTP/1.1" 200')
        interrupt([program])


def test_it_stops_by_itself_after_the_seconds_that_it_is_given(tmp_path: Path) -> None:
    with ExitStack() as stack:
        program = start(stack, SERVICE, "--seconds=1.5", TASKER_STORE=f"sqlite:///{tmp_path}/tasker.db")
        program.ends_with(0, within=10)
    assert "stopped    good bye" in program.err
