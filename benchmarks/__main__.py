"""Measures what it is told, or everything, and prints what was found.

python -m benchmarks [--long] [--write] [subject ...]
"""

from __future__ import annotations

import argparse
import importlib
import time

from benchmarks.effort import LONG, QUICK
from benchmarks.report import Report

SUBJECTS = (
    "combinators",
    "repeat",
    "stopping",
    "importing",
    "scheduling",
    "herd",
    "adding",
    "idle",
)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="measure tasker beside its peers")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"some of {', '.join(SUBJECTS)}; all, if none")
    parser.add_argument("--long", action="store_true", help="more rounds, and longer ones")
    arguments = parser.parse_args()
    for unknown in set(arguments.subjects) - set(SUBJECTS):
        parser.error(f"no subject {unknown!r}; there are {', '.join(SUBJECTS)}")
    for name in arguments.subjects or SUBJECTS:
        begun = time.monotonic()
        report: Report = importlib.import_module(f"benchmarks.subjects.{name}").measure(
            LONG if arguments.long else QUICK
        )
        print(f"{report.markdown()}\n\n({name} took {time.monotonic() - begun:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
