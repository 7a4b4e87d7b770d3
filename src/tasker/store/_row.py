"""The row of one schedule as the stores that decide in Python hold it: all facts, and when its bell was rung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter

from tasker._core.frozen import maker_of
from tasker.ports import FORMAT, Outcome, ScheduleState


@dataclass(slots=True)
class Row:
    """What `ScheduleState` describes, changeable in place, and two facts that only the store needs.

    Attributes:
        last_token: The token of the run that was recorded last by its own holder.
        rung: The epoch at which the bell was last rung for this row; 0 for never.
    """

    id: str
    decided: int
    definition: str = ""
    defined: int = 0
    registered: int = 0
    ended: int | None = None
    last_outcome: Outcome | None = None
    last_success: int | None = None
    runs: int = 0
    failures: int = 0
    token: int = 0
    owner: str | None = None
    lease_until: int | None = None
    slot: int | None = None
    manual: bool = False
    attempt: int = 0
    started: int | None = None
    paused: int | None = None
    requested: int | None = None
    next_slot: int | None = None
    format: int = FORMAT
    last_token: int = 0
    rung: int = 0

    @staticmethod
    def of(state: ScheduleState) -> Row:
        """Return a row that holds a state."""
        return Row(*_facts_of(state))

    def state(self) -> ScheduleState:
        """Return the row as a frozen value."""
        return state_with(*_facts_of(self))


state_with: Callable[..., ScheduleState] = maker_of(ScheduleState)
"""Makes a state of its facts, in the order of its fields: what every claim and every refusal pays for."""

_facts_of = attrgetter(*(field.name for field in fields(ScheduleState)))
