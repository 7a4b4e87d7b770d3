"""A store while somebody uses it: what a scheduler opened by itself is closed when nobody does any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tasker.ports import Store

logger: logging.Logger = logging.getLogger("tasker")


class Usage:
    """Counts who uses a store. Any thread may use it; the lock guards the number."""

    def __init__(self, store: Store, close: Callable[[], object], name: str | None) -> None:
        """Watch over a store.

        Args:
            store: What is used; it opens itself when it is asked for something.
            close: Called whenever nobody uses it any more.
            name: What people know the scheduler as.
        """
        self._store = store
        self._close = close
        self._name = "a scheduler" if name is None else name
        self.start_afresh()

    def start_afresh(self) -> None:
        """Be used by nobody; for a process that was forked, where the users are not."""
        self._lock = threading.Lock()
        self._users = 0

    @contextmanager
    def __call__(self) -> Generator[Store]:
        """Use the store during the block."""
        with self._lock:
            self._users += 1
        try:
            yield self._store
        finally:
            with self._lock:
                self._users -= 1
                # Under the lock: whoever comes now waits, and then opens it again.
                if not self._users:
                    self._close_now()

    def _close_now(self) -> None:
        try:
            self._close()
        except Exception:
            logger.exception("the store of %s could not be closed", self._name)
