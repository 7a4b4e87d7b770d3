"""A program must not run again in a child process that only imports it."""

from __future__ import annotations

import sys
from typing import Any


def refuse_while_imported_by_a_child(what: str) -> None:
    """Raise `RuntimeError` if this is a child process that is importing the program of its parent.

    A child that is not forked imports the main module to find the function that it is to call. Where that module runs
    the program without asking whether it is `__main__`, everything would start twice.
    """
    processes: Any = sys.modules.get("multiprocessing.process")  # not imported: then this is no such child
    if processes is not None and getattr(processes.current_process(), "_inheriting", False):
        raise RuntimeError(
            f"{what} was called while a child process imports the program; put it under"
            " `if __name__ == '__main__':` in the file that is run"
        )
