"""A wall clock that a test sets, for processes that it starts; time passes for them as ever, and it can jump."""

from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path

from tests._support.services import require_or_skip


class WrongClock:
    """A clock that processes go by which are started with `environment`; it shows the right time at first.

    Attributes:
        environment: What makes a process go by it, whatever that is written in.
        file: The seconds by which it is wrong.
    """

    def __init__(self) -> None:
        """Make the file in which such processes look."""
        library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
        require_or_skip(library, "libfaketime; install the package faketime")
        # Not in pytest's own folder, which a server's account may not read.
        with tempfile.NamedTemporaryFile(prefix="tasker-clock-", delete=False) as file:
            self.file = Path(file.name)
        self.file.chmod(0o644)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            # Else the waiting of a process would jump with its clock, and nothing would be proved.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: float) -> None:
        """Let the clock be wrong by so much."""
        # At once, because a process may look at any moment.
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+.3f}\n")
        new.chmod(0o644)
        new.replace(self.file)

    def show(self, instant: datetime) -> None:
        """Let the clock show an instant now."""
        self.set(instant.timestamp() - time.time())

    def close(self) -> None:
        """Remove the file."""
        self.file.unlink()
