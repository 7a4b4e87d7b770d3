from __future__ import annotations

from pathlib import Path

from tests._support.processes import Program

PROGRAMS = Path(__file__).parent / "programs"
WHAT_TO_DO = "await concurrence(...)(ctx), or background() in a framework's lifespan"


def test_main_says_why_it_cannot_run_in_another_thread_or_on_a_loop_and_what_to_do() -> None:
    with Program(PROGRAMS / "refused.py") as program:
        program.ends_with(0, within=10)
    assert program.out.splitlines() == [
        "signals can be heard in the main thread only; start it there, or give it no signals",
        "signals can be heard in the main thread only; start it there, or give it no signals",
        "without signals it runs",
        "main() would block the event loop that runs in this thread; use " + WHAT_TO_DO,
        "task.run() would block the event loop that runs in this thread; use await task(ctx)",
    ]
    assert not program.err
