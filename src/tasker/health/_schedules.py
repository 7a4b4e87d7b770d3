"""Which schedules are overdue.

The store is asked in a thread of its own, and not waited for longer than a probe waits; what it said last counts
meanwhile. A store that does not answer is no reason for not being ready: if it were, all instances would leave the load
balancer at once with the database, those that do not need it too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tasker._core import clock, threads
from tasker._core.context import CancelContext, Context

logger = logging.getLogger("tasker")

_ASK_AGAIN_AFTER = 5.0
_WAIT_FOR_THE_STORE = 0.5


class Row(Protocol):
    """What must be known of a schedule; instants are microseconds since 1970 (UTC).

    A `tasker.ports.ScheduleState` is one.
    """

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def paused(self) -> int | None:
        """Since when nothing is started; `None` if it is not paused."""
        ...

    @property
    def next_slot(self) -> int | None:
        """The next slot; `None` if there are no more."""
        ...

    @property
    def last_success(self) -> int | None:
        """When the last successful run ended."""
        ...


class Source(Protocol):
    """What knows the states of schedules: a `Scheduler`."""

    def states(self) -> Iterable[Row]:
        """Return them as they are now."""
        ...


class Schedules:
    """What is known of schedules, as of some seconds ago; any thread may ask."""

    def __init__(self, sources: Sequence[Source], margin: float) -> None:
        """Not yet asked.

        Args:
            sources: Whom to ask.
            margin: The seconds that a success may be late.
        """
        self._sources = sources
        self._margin = margin
        self._lock = threading.Lock()
        self._rows: tuple[Row, ...] = ()
        self._asked_at: float | None = None
        self._answer = Context.background().with_cancel()

    def overdue(self) -> list[str]:
        """Return a sentence for each schedule that is overdue."""
        if self._sources:
            self._ask()
            self._answer.wait(_WAIT_FOR_THE_STORE)
        now = int(clock.current().time() * 1e6)
        return [sentence for row in self._rows if (sentence := is_overdue(row, now, self._margin)) is not None]

    def _ask(self) -> None:
        now = clock.system().monotonic()
        with self._lock:
            if self._asked_at is not None and now - self._asked_at < _ASK_AGAIN_AFTER:
                return
            self._asked_at = now
            answer = self._answer = Context.background().with_cancel()
        threads.submit(lambda: self._read(answer))

    def _read(self, answer: CancelContext) -> None:
        try:
            self._rows = tuple(row for source in self._sources for row in source.states())
        except Exception as error:  # noqa: BLE001 - a store may fail with anything
            logger.warning("the health server could not read the schedules: %s", type(error).__name__)
        finally:
            answer.cancel()


def is_overdue(row: Row, now: int, margin: float) -> str | None:
    """Return a sentence if a schedule is overdue, else `None`.

    It is if its last success is older than its period and the margin, where the period is the time from the slot before
    the next one to the next one. If that is not known, it is if the next slot is longer ago than the margin. One that
    is paused, or that runs just now, is not.
    """
    if row.paused is not None or row.next_slot is None or _is_running(row, now):
        return None
    since = row.last_success if row.last_success is not None else getattr(row, "defined", None)
    slot_before = getattr(row, "decided", None)
    due = row.next_slot
    if since and slot_before is not None:
        due = since + max(0, row.next_slot - slot_before)
    if now <= due + int(margin * 1e6):
        return None
    success = (
        "it has never succeeded" if row.last_success is None else f"its last success was {_text(row.last_success)}"
    )
    return f"schedule {row.id!r} is overdue: {success}, and another was due {_text(due)}"


def _is_running(row: Row, now: int) -> bool:
    lease_until: int | None = getattr(row, "lease_until", None)
    return lease_until is not None and lease_until > now


def _text(micros: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return at.isoformat(timespec="seconds")
