"""What an instance knows of the row of a schedule, as far as its decisions need that."""

from __future__ import annotations

from tasker.ports import FORMAT, Ending, Grant, ScheduleState


class Known:
    """Some of the facts of a `ScheduleState`, changeable in place.

    A scheduler that kept a state for each of 100,000 schedules, and took another one with each reply, would have the
    garbage collector walk through all of them every minute: for half a second, in which nothing starts.
    """

    __slots__ = (
        "decided",
        "defined",
        "ended",
        "format",
        "lease_until",
        "manual",
        "paused",
        "requested",
        "runs",
        "slot",
    )

    def __init__(self) -> None:
        """Know of no row yet."""
        self.decided = self.defined = self.runs = 0
        self.ended: int | None = None
        self.lease_until: int | None = None
        self.slot: int | None = None
        self.manual = False
        self.paused: int | None = None
        self.requested: int | None = None
        self.format = FORMAT

    def note(self, state: ScheduleState) -> None:
        """Know what the store has said."""
        self.decided = state.decided
        self.defined = state.defined
        self.runs = state.runs
        self.ended = state.ended
        self.lease_until = state.lease_until
        self.slot = state.slot
        self.manual = state.manual
        self.paused = state.paused
        self.requested = state.requested
        self.format = state.format

    def note_grant(self, grant: Grant) -> None:
        """Know what was granted to this instance: what was asked for by hand is not asked for any more."""
        self.note(grant.state)
        if grant.manual:
            self.requested = None

    def note_end(self, grant: Grant, ending: Ending, now: int) -> None:
        """Know that the end of a run is recorded, and the row is free."""
        through = ending.through
        if through is None:
            self.slot, self.manual = grant.slot, grant.manual
        else:
            self.slot, self.manual = None, False
            self.decided = max(self.decided, through)
        self.ended = now
        self.runs += 1
        self.lease_until = None
