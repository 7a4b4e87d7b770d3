"""Process 1 of a container: it runs commands which leave processes behind, and looks for any that it still has."""

from __future__ import annotations

import os
import time

import tasker


def has_children() -> bool:
    """Say whether there is a child, dead or alive, without reaping it."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


print("process", os.getpid())
for _ in range(5):
    tasker.run(tasker.command("sh", "-c", "(sleep 1000 & sleep 1000 &); exit 0"))
end = time.monotonic() + 10
while has_children() and time.monotonic() < end:
    time.sleep(0.01)
print("children are left" if has_children() else "nothing is left")
