from __future__ import annotations

import multiprocessing
import sys

import pytest

from tasker.combinators._importing import refuse_while_imported_by_a_child


def test_where_no_child_imports_the_program_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_while_imported_by_a_child("main()")
    monkeypatch.delitem(sys.modules, "multiprocessing.process", raising=False)
    refuse_while_imported_by_a_child("main()")


def test_a_child_that_imports_the_program_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)

    with pytest.raises(
        RuntimeError, match=r"^main\(\) was called while a child process imports the program; put it under"
    ):
        refuse_while_imported_by_a_child("main()")
