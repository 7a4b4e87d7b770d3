"""A program that forgets to ask whether it is `__main__`."""

from __future__ import annotations

import tasker


def crunch() -> None:
    print("crunched")


print("runs")
tasker.main(tasker.in_process(crunch))
