"""Functions in processes of their own: what comes back, and how they end."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import pickle
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tasker import Cancelled, Context, ProcessDied, Task, in_process, run
from tests._support.alive import comes_true, is_gone
from tests._support.leftovers import nothing_left_behind
from tests._support.processes import MARGIN, Program

PROGRAMS = Path(__file__).parent / "programs"
REPORT = 1.0


class Notes:
    """What the functions have noted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def lines(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.lines:
            assert time.monotonic() < end, self.lines
            time.sleep(0.005)

    def pid(self) -> int:
        (pid,) = [int(line.removeprefix("pid ")) for line in self.lines if line.startswith("pid ")]
        return pid


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notes:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return Notes(tmp_path / "notes")


@pytest.fixture(scope="module")
def functions() -> Iterator[ModuleType]:
    """The module of functions, which the other process imports by its name."""
    sys.path.insert(0, str(PROGRAMS))
    spec = importlib.util.find_spec("in_processes")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["in_processes"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(PROGRAMS))
    del sys.modules["in_processes"]


def stopped(task: Task, notes: Notes) -> tuple[BaseException | None, float]:
    """Run a task, end its context once it has noted that it is ready, and return what left it, and the seconds."""
    ctx = Context.background().with_cancel()
    ended_at: list[float] = []

    def end() -> None:
        notes.wait_for("ready")
        ended_at.append(time.monotonic())
        ctx.cancel()

    thread = threading.Thread(target=end)
    thread.start()
    left = None
    try:
        run(task, ctx)
    except (Cancelled, Exception) as error:
        left = error
    thread.join()
    return left, time.monotonic() - ended_at[0]


# --- what comes back ---


def test_it_runs_in_another_process_and_leaves_nothing_behind(functions: ModuleType, notes: Notes) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with nothing_left_behind():
        run(in_process(functions.succeeds))

    assert notes.pid() != os.getpid()
    assert is_gone(notes.pid())
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_an_error_comes_back_with_the_traceback_of_the_other_process(functions: ModuleType) -> None:
    with pytest.raises(LookupError, match="no such thing") as caught:
        run(in_process(functions.fails))

    (note,) = caught.value.__notes__
    assert re.match(r"raised by 'fails' in process \d+:\nTraceback", note)
    assert 'in fails\n    raise LookupError("no such thing")' in note


def test_arguments_and_callable_objects_go_with_it(functions: ModuleType, notes: Notes) -> None:
    run(in_process(functools.partial(functions.adds, 20, second=22)))
    run(in_process(functions.Callme()))

    assert notes.lines == ["42", "called"]


def test_a_crash_is_an_error_that_names_the_signal(functions: ModuleType) -> None:
    with pytest.raises(ProcessDied) as caught:
        run(in_process(functions.crashes))

    assert str(caught.value) == "the process of 'crashes' was killed by SIGSEGV before the function had ended"
    assert (caught.value.name, caught.value.status) == ("crashes", -signal.SIGSEGV)


def test_a_process_that_leaves_on_its_own_is_an_error_with_its_status(functions: ModuleType) -> None:
    with pytest.raises(ProcessDied, match="exited with status 7 before the function had ended"):
        run(in_process(functions.leaves))


def test_a_system_exit_comes_back_as_one(functions: ModuleType) -> None:
    with pytest.raises(SystemExit) as caught:
        run(in_process(functions.exits))

    assert caught.value.code == 3


def test_a_function_whose_module_the_other_process_cannot_import_fails_there(
    functions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = in_process(functions.succeeds)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(PROGRAMS)])

    with pytest.raises(ModuleNotFoundError, match="in_processes"):
        run(task)


@pytest.mark.parametrize("missing", ["pidfd_open", "memfd_create"])
def test_it_works_without_what_only_linux_has(
    missing: str, functions: ModuleType, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, missing, raising=False)

    run(in_process(functions.succeeds))

    assert notes.pid()


def test_it_runs_in_a_plain_thread(functions: ModuleType, notes: Notes) -> None:
    thread = threading.Thread(target=lambda: run(in_process(functions.succeeds)))
    thread.start()
    thread.join()

    assert notes.pid()


# --- its end ---


def test_a_function_that_takes_a_context_is_told(functions: ModuleType, notes: Notes) -> None:
    left, seconds = stopped(in_process(functions.told, grace=1000), notes)

    assert left is None
    assert seconds < MARGIN
    assert notes.lines[-1].startswith("told: the context of the task ended")


@pytest.mark.parametrize(("name", "last"), [("awaiting", "canceled"), ("sleeping", "interrupted")])
def test_a_function_that_takes_none_is_cancelled(name: str, last: str, functions: ModuleType, notes: Notes) -> None:
    left, seconds = stopped(in_process(getattr(functions, name), grace=1000), notes)

    assert isinstance(left, Cancelled)
    assert seconds < MARGIN
    assert notes.lines[-1] == last


def test_an_endless_loop_in_c_ends_within_its_grace(
    functions: ModuleType, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    left, seconds = stopped(in_process(functions.in_c, grace=0.5), notes)

    assert isinstance(left, Cancelled)
    assert 0.5 <= seconds < 0.5 + MARGIN
    assert is_gone(notes.pid())
    assert caplog.messages == ["'in_c': its process did not end within 0.5 s of its stop, and was killed"]


def test_what_it_has_started_is_killed_with_it(functions: ModuleType, notes: Notes) -> None:
    stopped(in_process(functions.with_a_child, grace=1000), notes)

    assert is_gone(notes.pid())


def test_sigterm_from_elsewhere_does_not_end_it(functions: ModuleType, notes: Notes) -> None:
    run(in_process(functions.terminated))

    assert notes.lines == ["still here"]


def test_a_process_that_stays_after_its_function_is_killed_after_the_grace(
    functions: ModuleType, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()

    run(in_process(functions.with_a_thread, grace=0.5))

    assert time.monotonic() - began < 0.5 + 2 * MARGIN
    assert caplog.messages == [
        "'with_a_thread': its process did not end within 0.5 s of the end of the function, and was killed"
    ]


def test_a_cancellation_from_outside_ends_it(functions: ModuleType, notes: Notes) -> None:
    async def work() -> None:
        running = asyncio.ensure_future(in_process(functions.in_python, grace=5)())
        await comes_true(lambda: "ready" in notes.lines)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(work())

    assert is_gone(notes.pid())


@pytest.mark.parametrize("function", ["in_python", "in_c"])
def test_it_dies_with_the_process_of_tasker(function: str) -> None:
    with Program(PROGRAMS / "in_processes.py", function, "1000") as program:
        program.wait_for("ready").signal(signal.SIGKILL)
        program.ends_with(-signal.SIGKILL, within=1)

    assert is_gone(int(re.findall(r"pid (\d+)", program.out)[0]))


@pytest.mark.parametrize(("function", "within"), [("in_python", 1), ("in_c", 2)])
def test_main_stops_it_within_its_budget(function: str, within: float) -> None:
    with Program(PROGRAMS / "in_processes.py", function, "2") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.ends_with(0, within=within)

    assert program.out.endswith("returned\n")


def test_the_second_signal_leaves_no_process() -> None:
    with Program(PROGRAMS / "in_processes.py", "in_c", "1000") as program:
        program.wait_for("ready").signal(signal.SIGTERM)
        program.wait_for("received SIGTERM")
        time.sleep(0.1)  # two signals within 50 ms count as one
        program.signal(signal.SIGTERM)
        program.ends_with(143, within=1)

    assert is_gone(int(re.findall(r"pid (\d+)", program.out)[0]))


# --- what is refused ---


def test_a_program_without_a_guard_is_refused_and_does_not_run_twice() -> None:
    with Program(PROGRAMS / "unguarded.py") as program:
        program.ends_with(1, within=10)

    assert "main() was called while a child process imports the program; put it under" in program.err
    assert "crunched" not in program.out


def test_what_cannot_be_pickled_is_refused_when_it_is_built(functions: ModuleType) -> None:
    def nested() -> None: ...

    for given in (nested, lambda: None, functools.partial(functions.adds, threading.Lock(), 1)):
        with pytest.raises(TypeError, match=r"cannot be sent to another process: .*; give it a function that stands"):
            in_process(given)


def test_a_function_of_an_interactive_session_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    exec("def typed_in(): ...", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)

    with pytest.raises(TypeError, match="defined in an interactive session"):
        in_process(main.typed_in)


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [((42,), {}, TypeError), ((print,), {"grace": -1}, ValueError), ((print,), {"name": 42}, TypeError)],
)
def test_bad_arguments_are_refused(arguments: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        in_process(*arguments, **options)


def test_its_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ProcessDied("crunch", -9)))

    assert str(error) == "the process of 'crunch' was killed by SIGKILL before the function had ended"
