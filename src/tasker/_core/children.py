"""The processes that this one has started, so that none outlives it when it ends in a hurry.

Each is the leader of a process group of its own, and the group is what is killed: what a child has started goes with
it. A group is listed from its start until its leader is reaped, so a listed number never belongs to anybody else.
A forked child of this process has none.
"""

from __future__ import annotations

import os
import signal

_groups: set[int] = set()


def add(group: int) -> None:
    """List a process group: the number of its leader."""
    _groups.add(group)


def discard(group: int) -> None:
    """List it no longer; to be called before its leader is reaped."""
    _groups.discard(group)


def kill_all() -> None:
    """Kill every listed group; from any thread, without waiting."""
    for group in tuple(_groups):
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> None:
    """Send a signal to all processes of a group, if there are any that this one may send signals to."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_groups.clear)
