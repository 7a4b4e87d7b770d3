"""What a scheduler was made with, checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a scheduler.

    Attributes:
        name: What people know it as; `None` means a part of the random id of the owner.
        max_running: How many runs it may have at once.
        lease: The length of a lease, in seconds.
        max_attempts: How often a slot is started without an answer before it is given up.
        history: How many records are kept for each id.
        history_age: How old they may become, in microseconds.
        version: The version of the application, for people; may be empty.
    """

    name: str | None
    version: str
    max_running: int
    lease: float
    max_attempts: int
    history: int
    history_age: int
