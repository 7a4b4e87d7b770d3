"""The descriptor that the C handler of the `signal` module writes to: there is one in a process.

The loop of the main thread takes it, and the clock thread from the loop while it listens to signals; then it goes back.
Whoever else has it keeps it.

State: `_ours` has what was taken, in that order; it belongs to the main thread, as Python demands.
"""

from __future__ import annotations

import os
import signal

_ours: list[int] = []


def take(descriptor: int) -> None:
    """Have the C handler write to a descriptor, unless somebody else's is there; to take it twice changes nothing."""
    if descriptor in _ours:
        return
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    if before in (-1, descriptor, *_ours):
        _ours.append(descriptor)
    else:
        signal.set_wakeup_fd(before)


def give_back(descriptor: int) -> None:
    """Let it write where it did before, unless somebody else has taken it meanwhile; what was not taken is ignored."""
    if descriptor not in _ours:
        return
    _ours.remove(descriptor)
    now = signal.set_wakeup_fd(_ours[-1] if _ours else -1, warn_on_full_buffer=False)
    if now not in (-1, descriptor):
        signal.set_wakeup_fd(now)


def _give_back_in_child() -> None:
    # The pipes are the parent's as well, who would hear of the child's signals.
    while _ours:
        give_back(_ours[-1])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_give_back_in_child)
