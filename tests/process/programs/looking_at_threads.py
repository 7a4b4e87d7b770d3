"""A program that looks where its threads are while there is garbage whose end takes a lock of the interpreter."""

from __future__ import annotations

import gc
import threading

from tasker._core.frames import frames_of_threads


class Garbage:
    def __init__(self) -> None:
        self.itself = self
        self.local = threading.local()
        self.local.value = 1


go_on = threading.Event()
for _ in range(50):
    threading.Thread(target=go_on.wait, daemon=True).start()
for allocations in range(1, 50):  # after so many of them a collection begins: one of these is in the middle of the look
    gc.disable()
    gc.collect()
    Garbage()
    gc.set_threshold(allocations)
    gc.enable()
    frames_of_threads()
    assert gc.isenabled()
print("seen")
