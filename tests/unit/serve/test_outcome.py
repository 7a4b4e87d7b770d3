from __future__ import annotations

import pytest

from tasker import Cancelled
from tasker.serve._outcome import Answer, answer_of, error_of
from tests._support.tasks import Boom


class Unpicklable(Exception):
    def __reduce__(self) -> str:
        raise TypeError


class OnlyPicklable(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def raised(error: BaseException) -> BaseException:
    def fail() -> None:
        raise error

    try:
        fail()
    except BaseException as caught:
        return caught
    raise AssertionError


def crossed(error: BaseException | None) -> BaseException | None:
    return error_of(answer_of(error), "crunch", 123)


def test_success_crosses_as_nothing() -> None:
    assert crossed(None) is None


@pytest.mark.parametrize(
    "error", [Boom("text"), ExceptionGroup("two", [Boom("one"), ValueError(2)]), SystemExit(3), Cancelled()]
)
def test_an_error_crosses_with_its_traceback_as_a_note(error: BaseException) -> None:
    found = crossed(raised(error))

    assert found is not None
    assert (type(found), str(found)) == (type(error), str(error))
    (note,) = found.__notes__
    assert note.startswith("raised by 'crunch' in process 123:\n")
    assert ", in fail\n" in note


def test_the_cause_of_an_error_is_in_the_note() -> None:
    error = Boom("outer")
    error.__cause__ = raised(LookupError("inner"))

    found = crossed(raised(error))

    assert found is not None
    assert "LookupError: inner" in found.__notes__[0]


@pytest.mark.parametrize("error", [Unpicklable("of its own"), OnlyPicklable("of its", "own")])
def test_an_error_that_cannot_cross_becomes_one_with_its_text(error: Exception) -> None:
    found = crossed(raised(error))

    assert isinstance(found, RuntimeError)
    assert str(found).startswith("'crunch' failed with what cannot be sent to another process: ")
    assert str(error) in str(found)
    assert ", in fail\n" in found.__notes__[0]


def test_an_error_that_only_this_process_cannot_load_becomes_one_with_its_text() -> None:
    found = error_of(Answer(b"no pickle", "Boom: text", "Traceback"), "crunch", 123)

    assert str(found) == "'crunch' failed with what cannot be sent to another process: Boom: text"
