"""Commands that end by themselves; real processes."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tasker import CommandFailed, command, run, sequence
from tests._support.leftovers import nothing_left_behind


def sh(script: str, *arguments: str, **options: Any) -> Any:
    return command("sh", "-c", script, "sh", *arguments, **options)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "tasker.command")
    return caplog


def test_each_line_is_logged_at_the_level_of_its_stream(log: pytest.LogCaptureFixture) -> None:
    run(sh("echo one; echo two; echo three >&2"))

    found = sorted((record.levelname, record.getMessage()) for record in log.records)
    assert found == [("INFO", "sh: one"), ("INFO", "sh: two"), ("WARNING", "sh: three")]
    assert {record.name for record in log.records} == {"tasker.command"}


def test_levels_may_be_chosen_and_a_stream_left_out(log: pytest.LogCaptureFixture) -> None:
    run(sh("echo one; echo two >&2", stdout=None, stderr=logging.DEBUG))

    assert [(record.levelname, record.getMessage()) for record in log.records] == [("DEBUG", "sh: two")]


def test_a_last_line_without_an_end_is_logged(log: pytest.LogCaptureFixture) -> None:
    run(sh("printf 'no end'"))

    assert log.messages == ["sh: no end"]


def test_its_output_is_read_to_the_end(log: pytest.LogCaptureFixture) -> None:
    run(sh("seq 0 19999"))

    assert log.messages == [f"sh: {number}" for number in range(20_000)]


def test_another_status_than_zero_is_a_failure_with_the_last_lines() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(sh("for i in $(seq 30); do echo $i; done; exit 3"))

    assert (caught.value.name, caught.value.status) == ("sh", 3)
    assert caught.value.lines == tuple(map(str, range(11, 31)))
    assert str(caught.value).startswith("'sh' exited with status 3; its last lines:\n  11\n")


def test_a_signal_is_a_failure_that_names_it() -> None:
    with pytest.raises(CommandFailed, match=r"^'sh' was killed by SIGSEGV, and wrote nothing$") as caught:
        run(sh("kill -SEGV $$"))

    assert caught.value.status == -11


def test_what_it_left_behind_is_killed_and_does_not_hold_the_task(log: pytest.LogCaptureFixture) -> None:
    run(sh("sleep 1000 & echo $!"))

    child = int(log.messages[0].removeprefix("sh: "))
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_it_gets_its_arguments_folder_and_variables(log: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    run(sh('echo "$1" "$NAME" "$HOME"; pwd -P', "an *", cwd=tmp_path, env={"NAME": "value"}))

    assert log.messages == [f"sh: an * value {os.environ['HOME']}", f"sh: {tmp_path.resolve()}"]


def test_its_input_is_empty(log: pytest.LogCaptureFixture) -> None:
    run(command("cat"))

    assert log.messages == []


def test_it_leads_a_session_of_its_own(log: pytest.LogCaptureFixture) -> None:
    run(sh('echo $$ $(ps -o pgid=,sid= -p $$ 2>/dev/null || cut -d" " -f5,6 /proc/$$/stat)'))

    assert len(set(log.messages[0].removeprefix("sh: ").split())) == 1


def test_what_cannot_be_run_after_all_is_its_failure(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    task = command(script)

    with pytest.raises(FileNotFoundError), nothing_left_behind():
        run(task)


def test_it_runs_in_any_thread_and_on_any_loop(log: pytest.LogCaptureFixture) -> None:
    task = sh("echo ran")
    thread = threading.Thread(target=lambda: run(task))
    thread.start()
    thread.join()
    asyncio.run(task())
    run(sequence(task.run, task))

    assert log.messages == ["sh: ran"] * 4


def test_it_takes_no_thread(log: pytest.LogCaptureFixture) -> None:
    before = threading.active_count()
    seen: list[int] = []

    async def looks() -> None:
        running = asyncio.gather(*[sh("sleep 0.05")() for _ in range(5)])
        await asyncio.sleep(0.02)
        seen.append(threading.active_count())
        await running

    asyncio.run(looks())

    assert seen[0] <= before


def test_without_a_descriptor_of_the_process_a_thread_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)

    with pytest.raises(CommandFailed) as caught:
        run(sh("exit 3"))

    assert caught.value.status == 3


def test_without_that_and_waitid_a_thread_waits_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    monkeypatch.delattr(os, "waitid", raising=False)

    with pytest.raises(CommandFailed) as caught:
        run(sh("exit 3"))

    assert caught.value.status == 3


def test_nothing_is_left_behind() -> None:
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir())) if folder.exists() else 0
    with nothing_left_behind():
        run(sh("echo one"))

    assert not before or len(list(folder.iterdir())) == before


SECRET = "hunter2"


def test_no_argument_and_no_variable_is_shown(log: pytest.LogCaptureFixture) -> None:
    task = sh("echo done; exit 1", SECRET, env={"PASSWORD": SECRET})

    with pytest.raises(CommandFailed) as caught:
        run(task)

    assert SECRET not in f"{task!r} {task} {caught.value} {caught.value!r} {caught.value.__dict__} {log.text}"
