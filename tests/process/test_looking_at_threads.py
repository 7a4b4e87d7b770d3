"""What a report looks at may not stop the process, whatever the garbage collector does meanwhile."""

from __future__ import annotations

from pathlib import Path

from tests._support.processes import Program


def test_a_look_at_the_threads_ends_although_a_collection_is_due() -> None:
    with Program(Path(__file__).parent / "programs" / "looking_at_threads.py") as program:
        program.ends_with(0, within=5)
    assert program.out == "seen\n"
