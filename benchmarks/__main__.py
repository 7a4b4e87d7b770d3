"""Measures what it is told, or everything, and prints what was found; of everything it can write a page.

python -m benchmarks [--long] [--write] [subject ...]
"""

from __future__ import annotations

import argparse
import importlib
import time

from benchmarks.effort import LONG, QUICK
from benchmarks.report import Report

SUBJECTS = (
    "slots",
    "combinators",
    "repeat",
    "stopping",
    "importing",
    "scheduling",
    "profile",
    "herd",
    "adding",
    "idle",
    "postgresql",
    "takeover",
    "growth",
)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure tasker beside its peers")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"some of {', '.join(SUBJECTS)}; all, if none")
    parser.add_argument("--long", action="store_true", help="more rounds, and longer ones")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots")
    arguments = parser.parse_args()
    for unknown in set(arguments.subjects) - set(SUBJECTS):
        parser.error(f"no subject {unknown!r}; there are {', '.join(SUBJECTS)}")
    effort = LONG if arguments.long else QUICK
    reports: dict[str, Report] = {}
    for name in arguments.subjects or SUBJECTS:
        begun = time.monotonic()
        reports[name] = importlib.import_module(f"benchmarks.subjects.{name}").measure(effort)
        print(f"{reports[name].markdown()}\n\n({name} took {time.monotonic() - begun:.0f} s)\n", flush=True)
    if arguments.write:
        from benchmarks import page  # noqa: PLC0415 - what draws is needed for nothing else

        page.write(reports, f"in {effort.rounds} rounds of {effort.seconds:g} s, or {effort.many} of what is quick")


if __name__ == "__main__":
    main()
