from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from tasker import Cancelled, CommandFailed, command, run
from tests._support.tasks import ended

SECRET = "hunter2"


def test_an_unknown_signal_is_named_by_its_number() -> None:
    assert str(CommandFailed("sh", -250)) == "'sh' was killed by signal 250, and wrote nothing"


def test_under_an_ended_context_it_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(command("touch", tmp_path / "ran"), ended())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((SECRET.encode(),), {}, TypeError),
        ((f"{SECRET}\0",), {}, ValueError),
        ((), {"env": {"PASSWORD": SECRET.encode()}}, TypeError),
        ((), {"env": {"PASSWORD": f"{SECRET}\0"}}, ValueError),
    ],
)
def test_what_is_wrong_with_an_argument_is_said_without_it(
    arguments: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        command("sh", *arguments, **options)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: command("no-such-program"), FileNotFoundError, "there is no program 'no-such-program' in PATH="),
        (lambda: command("/etc/passwd"), PermissionError, "/etc/passwd is not executable"),
        (lambda: command("/no/such"), FileNotFoundError, "there is no program '/no/such' at /no/such"),
        (lambda: command("sh", cwd="/no/such"), FileNotFoundError, "cwd: there is no folder '/no/such'"),
        (lambda: command(42), TypeError, "program: expected a string or a path, got one of type int"),  # type: ignore[arg-type]
        (lambda: command("sh", 42), TypeError, "argument 1: expected a string or a path"),  # type: ignore[arg-type]
        (lambda: command("sh", grace=-1), ValueError, "grace: expected a duration of zero or more"),
        (lambda: command("sh", stdout=True), TypeError, "stdout: expected a level of logging or None, got True"),
        (lambda: command("sh", stderr="info"), TypeError, "stderr: expected a level"),  # type: ignore[arg-type]
        (lambda: command("sh", name=42), TypeError, "name: expected a string or None"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_argument_is_refused_when_it_is_built(build: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        build()


def test_it_is_named_after_its_program_or_as_asked() -> None:
    assert [command("/bin/sh").name, command("sh", name="backup").name] == ["sh", "backup"]


def test_its_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CommandFailed("sh", 3, ("one", "two"))))

    assert (str(error), error.lines) == ("'sh' exited with status 3; its last lines:\n  one\n  two", ("one", "two"))
