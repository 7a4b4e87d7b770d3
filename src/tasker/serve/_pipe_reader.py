"""What comes out of a pipe, as an event loop hears it."""

from __future__ import annotations

import os
from asyncio import AbstractEventLoop
from collections.abc import Callable

_AT_ONCE = 65_536


class PipeReader:
    """Reads a pipe to its end, on the loop that runs here; it owns the descriptor from now on."""

    def __init__(
        self, fd: int, loop: AbstractEventLoop, received: Callable[[bytes], object], changed: Callable[[], object]
    ) -> None:
        """Begin to read.

        Args:
            fd: The end of the pipe.
            loop: The loop.
            received: Called with all that comes.
            changed: Called when the other end was closed.
        """
        self.is_at_end = False
        self._fd = fd
        self._loop = loop
        self._received = received
        self._changed = changed
        os.set_blocking(fd, False)
        loop.add_reader(fd, self._read)

    def close(self) -> None:
        """Read no more; what is in the pipe and has not been read is lost."""
        if not self.is_at_end:
            self.is_at_end = True
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _AT_ONCE)
        except BlockingIOError:
            return
        if data:
            self._received(data)
            return
        self.close()
        self._changed()
