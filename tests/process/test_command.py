"""Commands that are stopped: real processes, real time."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasker import Cancelled, Context, Task, command, run
from tests._support.alive import comes_true, is_alive, is_gone
from tests._support.leftovers import nothing_left_behind
from tests._support.processes import MARGIN, Program
from tests._support.services import require_or_skip

COMMANDS = Path(__file__).parent / "programs" / "commands.py"
REPORT = 1.0


def sh(script: str, **options: Any) -> Task:
    return command("sh", "-c", script, **options)


class Log(logging.Handler):
    """What a command has said so far, and a place to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self.lines.append(record.getMessage().partition(": ")[2])
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in line for line in self.lines), 20), self.lines

    def pids(self) -> list[int]:
        return [int(found) for line in self.lines for found in re.findall(r"pid (\d+)", line)]


@pytest.fixture
def log() -> Any:
    logger, handler = logging.getLogger("tasker.command"), Log()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def stopped_after(log: Log, text: str, task: Task) -> tuple[BaseException | None, float]:
    """Run a command, end its context once it has said something, and return what left it, and the seconds it took."""
    ctx = Context.background().with_cancel()
    ended_at: list[float] = []

    def end() -> None:
        log.wait_for(text)
        ended_at.append(time.monotonic())
        ctx.cancel()

    thread = threading.Thread(target=end)
    thread.start()
    left = None
    with nothing_left_behind():
        try:
            run(task, ctx)
        except (Cancelled, Exception) as error:
            left = error
    thread.join()
    return left, time.monotonic() - ended_at[0]


def test_the_end_of_the_context_ends_it_and_all_that_it_has_started(log: Log) -> None:
    left, seconds = stopped_after(
        log, "ready", sh("sleep 1000 & echo pid $!; echo pid $$; echo ready; wait", grace=1000)
    )

    assert isinstance(left, Cancelled)
    assert seconds < MARGIN
    assert len(log.pids()) == 2
    assert all(is_gone(pid) for pid in log.pids())


def test_what_does_not_end_is_killed_after_the_grace_with_all_that_it_has_started(log: Log) -> None:
    script = "trap '' TERM; (while :; do sleep 0.05; done) & echo pid $!; echo pid $$; echo ready; wait"

    left, seconds = stopped_after(log, "ready", sh(script, grace=0.5))

    assert isinstance(left, Cancelled)
    assert 0.5 <= seconds < 0.5 + MARGIN
    assert all(is_gone(pid) for pid in log.pids())
    assert log.lines[-1] == "did not end within 0.5 s of SIGTERM, and was killed"


def test_one_that_ends_well_when_it_is_asked_to_has_succeeded(log: Log) -> None:
    left, _ = stopped_after(
        log, "ready", sh("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    )

    assert left is None
    assert "cleaned" in log.lines


def test_what_it_has_started_has_the_grace_too(log: Log) -> None:
    inner = "trap 'sleep 0.3; echo cleaned; exit' TERM; echo ready; while :; do sleep 0.05; done"

    stopped_after(log, "ready", sh(f"({inner}) & trap 'exit 1' TERM; wait", grace=20))

    assert "cleaned" in log.lines


def test_what_has_left_its_group_and_holds_its_pipes_is_not_waited_for(log: Log, tmp_path: Path) -> None:
    began = time.monotonic()
    daemon = f"setsid sh -c 'echo pid $$; touch {tmp_path}/ready; exec sleep 1000' &"

    run(sh(f"{daemon} while [ ! -e {tmp_path}/ready ]; do sleep 0.01; done"))

    assert time.monotonic() - began < 1 + MARGIN
    (pid,) = log.pids()
    assert is_alive(pid)
    run(command("kill", str(pid)))


def test_a_blocked_loop_does_not_delay_the_stop(log: Log) -> None:
    ctx = Context.background().with_cancel()
    script = "trap 'date +%s.%N; exit 1' TERM; echo ready; while :; do sleep 0.02; done"
    seen: list[float] = []

    async def blocks() -> None:
        running = asyncio.ensure_future(sh(script)(ctx))
        await comes_true(lambda: log.lines)
        seen.append(time.time())
        ctx.cancel()
        time.sleep(1)  # noqa: ASYNC251 - the loop is blocked on purpose
        with pytest.raises(Cancelled):
            await running

    asyncio.run(blocks())

    assert float(log.lines[-1]) - seen[0] < 0.9


@pytest.mark.parametrize("times", [1, 3])
def test_a_cancellation_from_outside_stops_it_and_is_raised_when_nothing_is_left(times: int, log: Log) -> None:
    async def work() -> None:
        running = asyncio.ensure_future(sh("echo pid $$; exec sleep 1000")())
        await comes_true(lambda: log.lines)
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not is_alive(log.pids()[0])

    asyncio.run(work())


def test_a_task_that_is_taken_apart_leaves_no_process(log: Log) -> None:
    coroutine = sh("echo pid $$; exec sleep 1000")._body(Context.background())
    loop = asyncio.new_event_loop()

    async def step() -> None:
        coroutine.send(None)
        await comes_true(lambda: log.lines)
        coroutine.close()

    loop.run_until_complete(step())
    loop.close()

    assert is_gone(log.pids()[0])


# --- under main ---


def under_main(*arguments: str) -> Program:
    return Program(COMMANDS, *arguments)


def pids_of(program: Program) -> list[int]:
    return [int(pid) for pid in re.findall(r"pid (\d+)", program.err)]


def test_main_stops_it_within_its_budget() -> None:
    with under_main("stubborn", "2") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(0, within=2)

    assert program.seconds >= 1.8  # nine tenths of the budget
    assert all(is_gone(pid) for pid in pids_of(program))


def signal_again(program: Program) -> None:
    time.sleep(0.1)  # two signals within 50 ms count as one
    program.signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("kind", "grace", "status", "then"),
    [
        ("beside a stuck thread", "0.5", 1, lambda program: None),
        ("stubborn", "1000", 143, signal_again),
    ],
    ids=["the budget is over", "a second signal comes"],
)
def test_no_process_is_left_when_the_program_ends_in_a_hurry(
    kind: str, grace: str, status: int, then: Callable[[Program], object]
) -> None:
    with under_main(kind, grace) as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("stopping")
        then(program)
        program.ends_with(status, within=float(grace) % 1000 + REPORT)

    assert len(pids_of(program)) == 2
    assert all(is_gone(pid) for pid in pids_of(program))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of the end of its parent")
def test_setpriv_ends_a_command_with_a_program_that_is_killed() -> None:
    require_or_skip(shutil.which("setpriv"), "setpriv, of util-linux")
    with under_main("that dies with it", "5") as program:
        program.wait_for("ready").signal(signal.SIGKILL)
        program.ends_with(-signal.SIGKILL, within=1)

    (pid,) = pids_of(program)
    assert is_gone(pid)


def test_a_command_that_fails_ends_the_program_with_its_last_lines() -> None:
    with under_main("failing", "5") as program:
        program.ends_with(1, within=10)

    assert "CommandFailed: 'sh' exited with status 7; its last lines:\n  no such table\n" in program.err
    assert "hunter2" not in program.err
